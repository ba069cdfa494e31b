import { readFileSync } from 'node:fs';
import { familyOf } from '../../bench/lib/process-memory.js';

/** What a child of the server is for. */
export const CHILD_KINDS = ['stage', 'media', 'bake', 'render', 'part'] as const;
export type ChildKind = (typeof CHILD_KINDS)[number];

const KINDS: readonly [part: string, kind: ChildKind][] = [
  ['stage/main.js', 'stage'],
  ['media-process.js', 'media'],
  ['bake-worker.js', 'bake'],
  ['part-process.js', 'part'],
  ['cli.js\0render', 'render'],
];

/** All that descend from the server and are known by their command line (Linux). */
export function childrenOf(pid: number): { pid: number; kind: ChildKind }[] {
  return familyOf(pid).flatMap((member) => {
    const kind = member.pid === pid ? undefined : kindOf(member.pid);
    return kind === undefined ? [] : [{ pid: member.pid, kind }];
  });
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function kindOf(pid: number): ChildKind | undefined {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return KINDS.find(([part]) => command.includes(part))?.[1];
  } catch {
    return undefined; // it has just ended
  }
}
