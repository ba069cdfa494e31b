import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { ProfileSchema } from '../config/schema.js';
import { entryPath } from '../entry.js';
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
  /** Environment of the child process, beside that of this one. */
  env?: NodeJS.ProcessEnv;
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
 * machine, otherwise a child process measures it for about two seconds. Rejects when the child fails or is stopped.
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

function measureInChild({
  profiles,
  background,
  signal,
  env,
}: SelfMeasurementOptions): Promise<Record<string, FrameCost>> {
  signal?.throwIfAborted();
  const task: MeasurementTask = { profiles, background };
  return new Promise((resolve, reject) => {
    const child = fork(entryPath(import.meta.url, './self-measurement-process.js'), [JSON.stringify(task)], {
      execArgv: [],
      env: { ...env, ...process.env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    let reason = 'ended too early';
    const stop = (why: string) => () => {
      reason = why;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(stop(`took longer than ${LIMIT_MS} ms`), LIMIT_MS);
    const onAbort = stop('was stopped');
    signal?.addEventListener('abort', onAbort, { once: true });
    let costs: Record<string, FrameCost> | null = null;
    child.once('message', (message) => (costs = message as Record<string, FrameCost>));
    const end = (error?: Error): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      if (costs) resolve(costs);
      else reject(error ?? new Error(`the self-measurement ${reason}`));
    };
    child.once('error', end);
    child.once('exit', () => end());
  });
}

function pick({ width, height, bitrateKbps, x264Preset, opusBitrateKbps }: MeasuredProfile): MeasuredProfile {
  return { width, height, bitrateKbps, x264Preset, opusBitrateKbps };
}
