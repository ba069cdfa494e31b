import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process that holds a lock or a folder. No time of day is in it: a clock may jump. */
export interface Holder {
  host: string;
  pid: number;
  /** When the process started, in ticks since the machine did; empty where that cannot be known. */
  started: string;
  /** Which start of the machine that was. */
  boot: string;
  /** Namespace of process ids: a container has its own. Empty where there are none. */
  space: string;
}

/** This process as a holder. */
export function thisProcess(): Holder {
  return { host: hostname(), pid: process.pid, started: startOf(process.pid) ?? '', boot: bootId(), space: pidSpace() };
}

/** Whether the holder that is described lives; unknown when it cannot be asked. */
export function stateOf(content: string, me: Holder): 'held' | 'free' | 'unknown' {
  const holder = parseHolder(content);
  if (holder === null || typeof holder.pid !== 'number') return 'free';
  if (!isHere(holder, me)) return 'unknown';
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'held' : 'free';
  }
  const started = startOf(holder.pid);
  return started === null || !holder.started || started === holder.started ? 'held' : 'free';
}

/** Whether a holder's process can be looked up here. A name of a host says little: containers are made anew with another. */
export function isHere(holder: Partial<Holder>, me: Holder): boolean {
  return holder.boot === me.boot && holder.space === me.space && (me.boot !== '' || holder.host === me.host);
}

/** A holder as JSON describes it; null when that is damaged. */
export function parseHolder(content: string): Partial<Holder> | null {
  try {
    const holder = JSON.parse(content) as Partial<Holder> | null;
    return typeof holder === 'object' ? holder : null;
  } catch {
    return null;
  }
}

/** Field 22 of /proc/pid/stat (proc(5)); null where there is no such file. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

function pidSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}
