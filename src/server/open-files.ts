import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { DhError } from '../errors.js';

/** Without this many it cannot even load its modules and start a stage. */
const MIN_FILES = 256;
/** Fewer are enough for little: each viewer's call, event stream and upload takes one. */
const WARN_FILES = 1024;
/** Files that are not for connections: modules, child processes, uploads, measurements, the log. */
const RESERVED_FILES = 128;
/** A connection may hold a file besides: a page that it reads slowly, an upload that it sends. */
const FILES_PER_CONNECTION = 2;

/** How many files this process may open (getrlimit(2), RLIMIT_NOFILE); null where there is no /proc. */
export function openFilesLimit(): number | null {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === undefined ? null : Number(soft);
  } catch {
    return null;
  }
}

/** Warns of a low limit. Throws `config_invalid` for one with which the server cannot start. */
export function checkOpenFiles(log: Logger, limit = openFilesLimit()): void {
  if (limit === null || limit >= WARN_FILES) return;
  if (limit < MIN_FILES) {
    throw new DhError('config_invalid', `Only ${limit} files may be open; the server needs ${MIN_FILES}.`, {
      hint: 'Raise the limit: ulimit -n 4096, or LimitNOFILE= in the unit of systemd.',
    });
  }
  log.warn({ limit, connections: maxSockets(limit) }, 'few files may be open: raise ulimit -n');
}

/** How many connections the process can hold and still work. */
export function maxSockets(limit = openFilesLimit()): number {
  if (limit === null) return Number.POSITIVE_INFINITY;
  return Math.max(1, Math.floor((limit - RESERVED_FILES) / FILES_PER_CONNECTION));
}
