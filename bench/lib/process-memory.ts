/** Memory of a server's processes as the kernel counts it (Linux). */
import { readdirSync, readFileSync } from 'node:fs';

/** Bytes of one process. */
export interface ProcessMemory {
  pid: number;
  name: string;
  /** Resident: pages that processes share are counted in each of them. */
  rssBytes: number;
  /** Proportional: a page that n processes share counts as one n-th of it in each. */
  pssBytes: number;
  /** What would be free if this process ended. */
  ownBytes: number;
}

/** The process and all that descend from it; one that ends meanwhile is left out. */
export function familyOf(pid: number): { pid: number; name: string }[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    const parent = parentOf(entry);
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const family = [pid];
  // The list grows while it is walked.
  for (const member of family) family.push(...(children.get(member) ?? []));
  return family.map((member) => ({ pid: member, name: nameOf(member) }));
}

/** Memory of each process of the family. */
export function memoryOf(family: readonly { pid: number; name: string }[]): ProcessMemory[] {
  return family.flatMap(({ pid, name }) => {
    const rollup = read(`/proc/${pid}/smaps_rollup`);
    const of = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1]) * 1024;
    if (!rollup.includes('Rss:')) return [];
    const own = of('Private_Clean') + of('Private_Dirty');
    return [{ pid, name, rssBytes: of('Rss'), pssBytes: of('Pss'), ownBytes: own }];
  });
}

/** What a process of the server is for, by its command line. */
function nameOf(pid: number): string {
  const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
  const kinds = { 'stage/main': 'stage', 'media-process': 'media', 'bake-worker': 'bake', 'start.mjs': 'launcher' };
  for (const [part, name] of Object.entries(kinds)) if (command.includes(part)) return name;
  return command.includes('cli.js') ? 'control' : 'other';
}

function parentOf(entry: string): number | null {
  if (!/^\d+$/.test(entry)) return null;
  // The command's name is in brackets and may hold anything; the state and the parent follow it.
  const stat = read(`/proc/${entry}/stat`);
  const parent = /^ \S (\d+)/.exec(stat.slice(stat.lastIndexOf(')') + 1))?.[1];
  return parent === undefined ? null : Number(parent);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
