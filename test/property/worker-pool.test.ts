import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { WorkerPool } from '../../src/tasks/worker-pool.js';

it('a pool of one thread runs what is not given up by priority, then in order; nothing is lost or done twice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dh-live-pool-'));
  const file = join(folder, 'worker.mjs');
  writeFileSync(
    file,
    `export default (n) => n;
    export const gate = (open) => { Atomics.wait(new Int32Array(open), 0, 0); };`,
  );
  const pool = new WorkerPool({ name: 'test', threads: 1, waitingCapacity: 12 });
  try {
    const submission = fc.record({ priority: fc.integer({ min: -2, max: 2 }), leaves: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(submission, { maxLength: 16 }), async (submissions) => {
        const open = new SharedArrayBuffer(4);
        const before = pool.stats();
        const gate = pool.submit({ file, name: 'gate', data: open });
        const ran: number[] = [];
        let refused = 0;
        const leaving: AbortController[] = [];
        const all = submissions.map(({ priority, leaves }, n) => {
          const abort = new AbortController();
          if (leaves) leaving.push(abort);
          return pool.submit<number>({ file, data: n }, { priority, signal: abort.signal }).then(
            (done) => void ran.push(done),
            (error: unknown) => void ((error as { code?: string }).code === 'task_limit' && (refused += 1)),
          );
        });
        for (const abort of leaving) abort.abort();
        Atomics.store(new Int32Array(open), 0, 1);
        Atomics.notify(new Int32Array(open), 0);
        await Promise.all([gate, ...all]);
        const expected = submissions
          .map((one, n) => ({ ...one, n }))
          .slice(0, 12)
          .filter(({ leaves }) => !leaves)
          .sort((a, b) => b.priority - a.priority || a.n - b.n)
          .map(({ n }) => n);
        expect(ran).toEqual(expected);
        expect(refused).toBe(Math.max(0, submissions.length - 12));
        const after = pool.stats();
        expect(after).toMatchObject({ running: 0, waiting: 0, failed: 0, threads: 1 });
        expect(after.completed - before.completed).toBe(expected.length + 1);
      }),
      { numRuns: 60 },
    );
  } finally {
    await pool.close();
    rmSync(folder, { recursive: true });
  }
});
