/** What the kernel says of processes (Linux; elsewhere nothing). */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcFigures {
  rssBytes: number;
  openFiles: number;
  /** Time that its threads wanted a CPU and got none, in ms. */
  starvedMs: number;
}

/** Null when the process is gone or the system does not tell. */
export function procFigures(pid: number): ProcFigures | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const rssKb = /^VmRSS:\s+(\d+)/m.exec(status)?.[1];
    if (rssKb === undefined) return null; // it is ending
    return {
      rssBytes: Number(rssKb) * 1024,
      openFiles: readdirSync(`/proc/${pid}/fd`).length,
      starvedMs: readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + starvedMs(pid, thread), 0),
    };
  } catch {
    return null;
  }
}

function starvedMs(pid: number, thread: string): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0; // it has just ended
  }
}
