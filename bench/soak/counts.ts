/** What is countable about a running server, from outside. */
import { readdirSync } from 'node:fs';
import type { TestServer } from '../../test/support/server.js';
import { sleep } from '../lib/machine.js';
import { familyOf } from '../lib/process-memory.js';
import type { Counts } from './verdict.js';

interface SessionAnswer {
  viewers: number;
  waiting: number;
  pool: { outstanding: number } | null;
  queue: { length: number };
}

/** Sessions, viewers, frames and chunks that are out, and per process: open files, threads. */
export async function countAll(server: TestServer): Promise<Counts> {
  const counts: Counts = {};
  const add = (name: string, count: number): void => void (counts[name] = (counts[name] ?? 0) + count);
  const sessions = (await server.get('/api/v1/sessions')) as SessionAnswer[];
  add('sessions', sessions.length);
  for (const { viewers, waiting, pool, queue } of sessions) {
    add('viewers', viewers);
    add('waiting utterances', waiting);
    add('pool frames outstanding', pool?.outstanding ?? 0);
    add('queued chunks', queue.length);
  }
  for (const { pid, name } of familyOf(server.pid)) {
    add(`${name} processes`, 1);
    add(`${name} open files`, entries(`/proc/${pid}/fd`));
    add(`${name} threads`, entries(`/proc/${pid}/task`));
  }
  return counts;
}

/**
 * The least of each count within `limitMs`, since connections and helpers take their time to go; comes back earlier once
 * none is above `wanted`.
 */
export async function countLeast(server: TestServer, limitMs: number, wanted?: Counts): Promise<Counts> {
  const least = await countAll(server);
  for (const end = performance.now() + limitMs; performance.now() < end; await sleep(1000)) {
    const now = await countAll(server);
    // One that is not there any more counts nothing.
    for (const name of Object.keys(least)) least[name] = Math.min(least[name] ?? 0, now[name] ?? 0);
    if (wanted && Object.entries(least).every(([name, count]) => count <= (wanted[name] ?? 0))) break;
  }
  return least;
}

function entries(folder: string): number {
  try {
    return readdirSync(folder).length;
  } catch {
    return 0;
  }
}
