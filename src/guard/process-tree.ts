import { readdir, readFile } from 'node:fs/promises';
import pidusage from 'pidusage';

/** Processes of one tree that are looked at. */
const MOST_PROCESSES = 64;

/** A process and its descendants, itself first. They are found in /proc; where there is none it is alone. */
export async function processTree(root: number): Promise<number[]> {
  const found = [root];
  for (let i = 0; i < found.length && found.length < MOST_PROCESSES; i++) {
    const pid = found[i] ?? root;
    const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
    for (const thread of threads) {
      const children = await readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '');
      for (const child of children.split(' ')) if (child.trim() !== '') found.push(Number(child));
    }
  }
  return found.slice(0, MOST_PROCESSES);
}

/** Resident memory of a process and its descendants together; 0 when it is gone. */
export async function treeRssBytes(root: number): Promise<number> {
  const pids = await processTree(root);
  const usages = await Promise.all(pids.map((pid) => pidusage(pid).catch(() => null)));
  return usages.reduce((sum, usage) => sum + (usage?.memory ?? 0), 0);
}
