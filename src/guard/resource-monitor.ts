import { EventEmitter } from 'node:events';
import type { Clock, Closable } from '../units.js';
import { History } from './history.js';
import { memoryRegistry, type MemoryRegistry } from './memory-registry.js';
import { columnsOf, type ServerReading } from './readings.js';

export interface ResourceMonitorOptions {
  /** Measures once. A reading that fails is left out. */
  read: () => Promise<ServerReading>;
  columns: readonly string[];
  clock: Clock;
  /** Default 1,000 ms. */
  intervalMs?: number;
  registry?: MemoryRegistry;
}

/** Measures the server once a second and keeps the history. Who wants to know listens to `reading`. */
export class ResourceMonitor extends EventEmitter<{ reading: [ServerReading] }> implements Closable {
  readonly history: History;
  readonly #options: ResourceMonitorOptions;
  readonly #unregister: () => void;
  readonly #startedAt: number;
  #timer: NodeJS.Timeout | null = null;
  #busy = false;
  #latest: ServerReading | null = null;
  #taken = 0;
  #failed = 0;
  #costMs = 0;

  constructor(options: ResourceMonitorOptions) {
    super();
    this.#options = options;
    this.history = new History(options.columns);
    this.#unregister = (options.registry ?? memoryRegistry).register(this.history);
    this.#startedAt = options.clock();
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.sample(), this.#options.intervalMs ?? 1000).unref();
  }

  /** The newest measurement; null before the first. */
  get latest(): ServerReading | null {
    return this.#latest;
  }

  /** Measures once, unless the measurement before is still under way. */
  async sample(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const reading = await this.#options.read();
      const begin = this.#options.clock();
      this.#latest = reading;
      this.#taken += 1;
      this.history.add(reading.atMs, columnsOf(reading));
      this.emit('reading', reading);
      this.#costMs += this.#options.clock() - begin;
    } catch {
      this.#failed += 1;
    } finally {
      this.#busy = false;
    }
  }

  /** Measurements so far, those that failed, and the time that keeping them took on this thread, in percent of it. */
  stats(): { taken: number; failed: number; keepingPercent: number } {
    const elapsed = Math.max(1, this.#options.clock() - this.#startedAt);
    return { taken: this.#taken, failed: this.#failed, keepingPercent: (100 * this.#costMs) / elapsed };
  }

  close(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    this.#unregister();
    this.removeAllListeners();
  }
}
