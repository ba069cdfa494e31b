// `npm test [-- vitest arguments]`: makes ready what is missing, the browser too, then runs all tests.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureChromium, ensureFirefox } from './browsers.mjs';
import { checkNode, ensureBuilt, ensureInstalled, root, run } from './prepare.mjs';

checkNode();
ensureInstalled();
ensureBuilt();
const chromium = ensureChromium();
const firefox = ensureFirefox();
// Once, so that no test waits for it; kept between runs.
const cacheDir = join(root, '.cache', 'avatars');
run(process.execPath, [join(root, 'dist', 'cli.js'), 'avatar', 'draw', 'presenter', '--preset', 'low'], {
  env: { ...process.env, DH_LIVE_CACHE_DIR: cacheDir },
  quiet: true,
});
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const { status } = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, CHROMIUM: chromium, ...(firefox ? { FIREFOX: firefox } : {}) },
});
console.log('Not run here: tests that need a Redis server (npm run test:redis).');
process.exit(status ?? 1);
