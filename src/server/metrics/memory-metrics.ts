import type { Registry } from 'prom-client';
import { LADDER_STEPS, type GuardEvent, type GuardState } from '../../guard/guard-state.js';
import { FollowingCounter, FreshGauge } from './families.js';

const LEVELS = ['normal', 'soft', 'hard'];
const OF_PROCESS = ['process'];
const OF_ENTRY = ['process', 'owner', 'name', 'kind'];

type ServerLevel = Pick<GuardState, 'level' | 'step' | 'limitBytes' | 'peakBytes'> & {
  loans: readonly { process: string; bytes: number }[];
};

/** Where each process stands against its limit, and what holds its memory. */
export class MemoryMetrics {
  readonly #gauges;
  readonly #entries;
  readonly #entryCounts: Record<'hits' | 'misses' | 'evictions', FollowingCounter>;
  readonly #collections: FollowingCounter;
  readonly #steps: FollowingCounter;
  /** Entries of the last scrape: a count whose entry is gone is removed. */
  #known = new Map<string, Record<string, string>>();

  constructor(register: Registry) {
    const gauge = (name: string, help: string, labels = OF_PROCESS) => new FreshGauge(register, name, help, labels);
    const counter = (name: string, help: string, labels = OF_PROCESS) =>
      new FollowingCounter(register, name, help, labels);
    this.#gauges = {
      level: gauge('guard_level', 'Memory level of a process: 0 normal, 1 soft, 2 hard.'),
      step: gauge('guard_step', 'Highest step of the ladder in force: 0 none, 1 trim … 5 restart.'),
      limit: gauge('guard_limit_bytes', 'Memory that a process may use.'),
      peak: gauge('guard_peak_bytes', 'Most memory that a process used since its start.'),
      base: gauge('guard_base_bytes', 'Memory of a process before it had work: code, libraries, empty heap.'),
      accounted: gauge('guard_accounted_bytes', 'Memory that the registry explains.'),
      borrowed: gauge('memory_borrowed_bytes', 'Memory that a process which comes and goes has borrowed.'),
      unaccounted: gauge('guard_unaccounted_bytes', 'Memory that neither base nor registry explains.'),
    };
    this.#entries = {
      bytes: gauge('memory_entry_bytes', 'Memory of a cache, pool, queue or asset.', OF_ENTRY),
      limit: gauge('memory_entry_limit_bytes', 'Most memory that it may hold.', OF_ENTRY),
      items: gauge('memory_entry_items', 'Things in it.', OF_ENTRY),
    };
    this.#entryCounts = {
      hits: counter('memory_entry_hits_total', 'Times that it had what was asked for.', OF_ENTRY),
      misses: counter('memory_entry_misses_total', 'Times that it did not have what was asked for.', OF_ENTRY),
      evictions: counter('memory_entry_evictions_total', 'Things that were thrown out for lack of room.', OF_ENTRY),
    };
    this.#collections = counter('guard_collections_total', 'Garbage collections that were forced.');
    this.#steps = counter('guard_steps_total', 'Steps of the ladder that were taken.', ['process', 'step']);
  }

  /** Counts a step of the ladder. */
  stepped({ process, what, step }: GuardEvent): void {
    if (what === 'step' && step !== null) this.#steps.add({ process, step });
  }

  /** `server`: the level of all processes together, shown as a process of that name. */
  refresh(guards: readonly { process: string; state: GuardState }[], server: ServerLevel): void {
    for (const gauge of [...Object.values(this.#gauges), ...Object.values(this.#entries)]) gauge.reset();
    this.#levelOf('server', server);
    const borrowed = new Map<string, number>();
    for (const { process, bytes } of server.loans) borrowed.set(process, (borrowed.get(process) ?? 0) + bytes);
    for (const [process, bytes] of borrowed) this.#gauges.borrowed.set({ process }, bytes);
    const present = new Map<string, Record<string, string>>();
    for (const { process, state } of guards) {
      this.#ofProcess(process, state);
      for (const { owner, name, kind, ...figures } of state.entries) {
        const labels = { process, owner, name, kind };
        present.set(Object.values(labels).join('\u0000'), labels);
        this.#entries.bytes.set(labels, figures.bytes);
        this.#entries.limit.set(labels, figures.limitBytes);
        this.#entries.items.set(labels, figures.items);
        for (const count of ['hits', 'misses', 'evictions'] as const)
          this.#entryCounts[count].follow(labels, figures[count]);
      }
    }
    for (const [key, labels] of this.#known) {
      if (!present.has(key)) for (const counter of Object.values(this.#entryCounts)) counter.remove(labels);
    }
    this.#known = present;
  }

  #ofProcess(process: string, state: GuardState): void {
    const label = { process };
    const of = this.#gauges;
    this.#levelOf(process, state);
    of.base.set(label, state.baseBytes);
    of.accounted.set(label, state.accountedBytes);
    of.unaccounted.set(label, state.unaccountedBytes);
    this.#collections.follow(label, state.collections);
  }

  #levelOf(process: string, state: Omit<ServerLevel, 'loans'>): void {
    const label = { process };
    const of = this.#gauges;
    of.level.set(label, LEVELS.indexOf(state.level));
    of.step.set(label, state.step === null ? 0 : LADDER_STEPS.indexOf(state.step) + 1);
    of.limit.set(label, state.limitBytes);
    of.peak.set(label, state.peakBytes);
    for (const step of LADDER_STEPS) this.#steps.add({ process, step }, 0);
  }
}
