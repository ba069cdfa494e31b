import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { ProfileSchema } from '../config/schema.js';
import { entryPath } from '../entry.js';
import { DhError } from '../errors.js';
import { MALLOC_ENV, YOUNG_HEAP_FLAG } from '../malloc-env.js';
import type { MemoryLoan } from '../units.js';
import type { FrameCost, FrameCosts, MeasuredProfile } from './frame-cost.js';
import type { MeasurementTask } from './self-measurement-process.js';

/** On which machine with which program something was measured: it counts only there. */
export interface MachineKey {
  cpu: string;
  cores: number;
  node: string;
  version: string;
}

export interface SelfMeasurement {
  /** `measured` just now, or from the cache of this machine. */
  source: 'measured' | 'cache';
  tookMs: number;
  machine: MachineKey;
  costs: FrameCosts;
}

export interface SelfMeasurementOptions {
  cacheDir: string;
  /** Version of dh-live. */
  version: string;
  /** What is measured, by preset. */
  profiles: Record<string, MeasuredProfile>;
  /** Something else goes first, as a server that starts: then it runs at a lower priority. */
  background: boolean;
  signal?: AbortSignal;
  /** Lends the memory for the child process. Default: as much as it wants. */
  borrow?: () => Promise<MemoryLoan>;
  /** Told of the process id of the child when it is there, and null when it is gone. */
  onProcess?: (pid: number | null) => void;
  machine?: MachineKey;
}

const FILE = 'self-measurement.json';
const LIMIT_MS = 20_000;
const MeasuredSchema = z.object({
  machine: z.object({ cpu: z.string(), cores: z.number(), node: z.string(), version: z.string() }),
  costs: z.record(
    z.string(),
    z.object({
      cost: z.object({ cpuMs: z.number().positive(), p95Ms: z.number().positive(), frames: z.number().positive() }),
      profile: ProfileSchema.pick({
        width: true,
        height: true,
        bitrateKbps: true,
        x264Preset: true,
        opusBitrateKbps: true,
      }),
    }),
  ),
});

export function thisMachine(version: string): MachineKey {
  return { cpu: cpus()[0]?.model ?? 'unknown', cores: availableParallelism(), node: process.version, version };
}

/**
 * What a picture of each preset costs on this machine: from the cache when the same program measured it on the same
 * machine, otherwise a child process measures it for about two seconds. Rejects when the child fails or is stopped, and
 * with what `borrow` throws.
 */
export async function selfMeasure(options: SelfMeasurementOptions): Promise<SelfMeasurement> {
  const begin = performance.now();
  const machine = options.machine ?? thisMachine(options.version);
  const path = join(options.cacheDir, FILE);
  const cached = await readCached(path, machine, options.profiles);
  if (cached) return { source: 'cache', tookMs: performance.now() - begin, machine, costs: cached };
  const measured = await measureInChild(options);
  const costs: FrameCosts = {};
  for (const [name, profile] of Object.entries(options.profiles)) {
    const cost = measured[name];
    if (!cost) throw new Error(`preset ${name} was not measured`);
    costs[name] = { cost, profile: pick(profile) };
  }
  await store(path, { machine, costs });
  return { source: 'measured', tookMs: performance.now() - begin, machine, costs };
}

async function readCached(
  path: string,
  machine: MachineKey,
  profiles: Record<string, MeasuredProfile>,
): Promise<FrameCosts | null> {
  try {
    const stored = MeasuredSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    if (JSON.stringify(stored.machine) !== JSON.stringify(machine)) return null;
    const same = Object.entries(profiles).every(
      ([name, profile]) => JSON.stringify(stored.costs[name]?.profile) === JSON.stringify(pick(profile)),
    );
    return same ? stored.costs : null;
  } catch {
    return null; // not there, damaged or of another version: measured anew
  }
}

/** A folder that cannot be written costs two seconds at each start, nothing more. */
async function store(path: string, value: object): Promise<void> {
  const part = `${path}.${randomBytes(6).toString('hex')}.part`;
  try {
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(part, JSON.stringify(value, null, 2));
    await rename(part, path);
  } catch {
    await rm(part, { force: true }).catch(() => undefined);
  }
}

async function measureInChild(options: SelfMeasurementOptions): Promise<Record<string, FrameCost>> {
  const loan = (await options.borrow?.()) ?? null;
  try {
    return await runChild(options, loan);
  } finally {
    loan?.close();
  }
}

function runChild(
  { profiles, background, signal, onProcess }: SelfMeasurementOptions,
  loan: MemoryLoan | null,
): Promise<Record<string, FrameCost>> {
  const stopped = AbortSignal.any([signal, loan?.recalled].filter((one) => one !== undefined));
  stopped.throwIfAborted();
  const task: MeasurementTask = { profiles, background };
  return new Promise((resolve, reject) => {
    const child = fork(entryPath(import.meta.url, './self-measurement-process.js'), [JSON.stringify(task)], {
      execArgv: [YOUNG_HEAP_FLAG],
      env: { ...MALLOC_ENV, ...process.env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    onProcess?.(child.pid ?? null);
    let reason = new Error('the self-measurement ended too early');
    const stop = (why: Error): void => {
      reason = why;
      child.kill('SIGKILL');
    };
    const onAbort = (): void => stop(DhError.from(stopped.reason));
    const timer = setTimeout(() => stop(new Error(`the self-measurement took longer than ${LIMIT_MS} ms`)), LIMIT_MS);
    stopped.addEventListener('abort', onAbort, { once: true });
    let costs: Record<string, FrameCost> | null = null;
    child.once('message', (message) => (costs = message as Record<string, FrameCost>));
    const end = (error: Error): void => {
      clearTimeout(timer);
      stopped.removeEventListener('abort', onAbort);
      onProcess?.(null);
      if (costs) resolve(costs);
      else reject(error);
    };
    child.once('error', (error) => {
      if (child.pid === undefined) end(error);
    });
    child.once('exit', () => end(reason));
  });
}

function pick({ width, height, bitrateKbps, x264Preset, opusBitrateKbps }: MeasuredProfile): MeasuredProfile {
  return { width, height, bitrateKbps, x264Preset, opusBitrateKbps };
}
