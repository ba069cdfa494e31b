import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import pidusage from 'pidusage';
import { DhError } from '../errors.js';
import { processTree } from '../guard/process-tree.js';
import type { ProcessSample, Sample, Source } from './sample.js';
import { plain } from './text.js';

/**
 * Samples of a process and all its children, from outside: resident memory and CPU, nothing of what the server itself
 * knows. Children are found in /proc; where there is none only the process itself is seen.
 */
export class PidSource implements Source {
  readonly subject: string;
  readonly #pid: number;
  readonly #names = new Map<number, string>();
  #startTime: string | null = null;

  constructor(pid: number) {
    this.#pid = pid;
    this.subject = `pid ${pid}`;
  }

  async sample(): Promise<Sample> {
    await this.#checkSame();
    const pids = await processTree(this.#pid);
    for (const pid of [...this.#names.keys()]) if (!pids.includes(pid)) this.#names.delete(pid);
    const processes: ProcessSample[] = [];
    for (const pid of pids) {
      // One that ended between listing and reading is left out.
      const usage = await pidusage(pid).catch(() => null);
      if (usage) processes.push(await this.#process(pid, usage));
    }
    if (processes[0]?.pid !== this.#pid) throw this.#gone();
    return {
      atMs: Date.now(),
      rssBytes: processes.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
      limitBytes: null,
      level: null,
      step: null,
      uptimeMs: null,
      processes,
      owners: [],
      sessions: [],
      alerts: [],
    };
  }

  close(): void {
    pidusage.clear();
  }

  async #process(pid: number, { memory, cpu }: { memory: number; cpu: number }): Promise<ProcessSample> {
    const name = this.#names.get(pid) ?? (await this.#nameOf(pid));
    this.#names.set(pid, name);
    const cpuPercent = Math.round(cpu * 10) / 10;
    const unknown = { level: null, step: null, baseBytes: null, accountedBytes: null, unaccountedBytes: null };
    return { name, pid, rssBytes: memory, cpuPercent, ...unknown };
  }

  /** What it is in the server, by its command line; several of a kind are numbered. */
  async #nameOf(pid: number): Promise<string> {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const kind = kindOf(command.split('\0').filter(Boolean));
    const taken = new Set(this.#names.values());
    if (kind !== 'stage' && !taken.has(kind)) return kind;
    for (let n = kind === 'stage' ? 0 : 2; ; n++) if (!taken.has(`${kind}-${n}`)) return `${kind}-${n}`;
  }

  /** The number of a process that ended may be given to another one: the time of its start tells them apart. */
  async #checkSame(): Promise<void> {
    const stat = await readFile(`/proc/${this.#pid}/stat`, 'utf8').catch(() => null);
    if (stat === null) return;
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') throw this.#gone();
    this.#startTime ??= fields[19] ?? '';
    if (this.#startTime !== fields[19]) throw this.#gone();
  }

  #gone(): DhError {
    return new DhError('server_unreachable', `There is no process ${this.#pid}.`, {
      hint: 'The server logs its pid when it starts; or watch it by address: --url http://127.0.0.1:8010',
    });
  }
}

function kindOf(command: string[]): string {
  const script = command.find((part) => /\.m?[jt]s$/.test(part)) ?? '';
  if (script.endsWith('stage/main.js')) return 'stage';
  if (script.includes('media-process')) return 'media';
  if (script.includes('bake-worker')) return 'bake';
  if (script.endsWith('cli.js') && command.includes('serve')) return 'control';
  return plain(basename(script || (command[0] ?? '')), 24) || 'process';
}
