import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { packagePath } from '../../src/entry.js';

test.skipIf(!existsSync('/dev/full'))('a log that cannot be written holds nothing up and is said once', async () => {
  const module = JSON.stringify(pathToFileURL(packagePath('dist/cli/server-log.js')).href);
  const script = `const { serverLog } = await import(${module});
    const log = serverLog('info');
    for (let i = 0; i < 100; i++) log.info('x'.repeat(100_000));
    await new Promise((resolve) => setTimeout(resolve, 10));
    log.info('still here');
    console.error(process.memoryUsage.rss() < 150e6 ? 'done' : 'large');
    process.exit(0);`;
  const command = `exec "${process.execPath}" --input-type=module -e "$0" > /dev/full`;
  const { stderr } = await promisify(execFile)('sh', ['-c', command, script], { timeout: 15_000 });
  expect(stderr.trim().split('\n')).toEqual([
    expect.stringMatching(/^dh-live: The log cannot be written: ENOSPC/),
    'done',
  ]);
});
