import { describe, expect, it } from 'vitest';
import type { GuardEvent } from '../../src/guard/guard-state.js';
import { MemoryRegistry, type MemoryUser } from '../../src/guard/memory-registry.js';
import { MemoryWatchdog, type WatchdogActions, type WatchdogSettings } from '../../src/guard/memory-watchdog.js';

const MB = 1e6;
const settings: WatchdogSettings = {
  limitBytes: 1000 * MB,
  gcIntervalS: 15,
  softShare: 0.8,
  softRelease: 0.7,
  hardShare: 0.95,
  hardRelease: 0.85,
  cooldownMs: 1000,
};

/** A process whose memory is what the test says, checked every 250 ms. */
class Bench {
  nowMs = 0;
  /** Memory beside the cache, and garbage that a collection takes away. */
  otherMb = 100;
  garbageMb = 0;
  cacheMb = 0;
  readonly events: (GuardEvent & { atMs: number })[] = [];
  readonly calls: string[] = [];
  readonly registry = new MemoryRegistry();
  readonly watchdog: MemoryWatchdog;
  readonly cache: MemoryUser = {
    name: 'cache',
    owner: 'test',
    kind: 'cache',
    figures: () => ({ bytes: this.cacheMb * MB, limitBytes: null, items: 1, hits: 0, misses: 0, evictions: 0 }),
    trim: (level) => {
      const freed = level === 'hard' ? this.cacheMb : this.cacheMb / 2;
      this.cacheMb -= freed;
      this.calls.push(`trim ${level}`);
      return freed * MB;
    },
  };

  constructor(actions: WatchdogActions = this.all(), change: Partial<WatchdogSettings> = {}) {
    this.registry.register(this.cache);
    this.watchdog = new MemoryWatchdog({
      process: 'test',
      registry: this.registry,
      settings: { ...settings, ...change },
      actions,
      clock: () => this.nowMs,
      rss: () => (this.otherMb + this.garbageMb + this.cacheMb) * MB,
      gc: () => {
        this.calls.push('gc');
        this.garbageMb = 0;
      },
      onEvent: (event) => this.events.push({ ...event, atMs: this.nowMs }),
    });
    this.watchdog.markBase();
  }

  all(): WatchdogActions {
    return {
      lowerIdleQuality: (on) => this.calls.push(`lower ${on}`),
      refuse: (on) => this.calls.push(`refuse ${on}`),
      endHeaviest: () => {
        this.calls.push('end');
        return 's1';
      },
      restart: () => this.calls.push('restart'),
    };
  }

  /** Checks for that long, every 250 ms; `each` changes the memory before each check. */
  run(forMs: number, each: () => void = () => undefined): this {
    for (const end = this.nowMs + forMs; this.nowMs < end; this.nowMs += 250) {
      each();
      this.watchdog.check();
    }
    return this;
  }

  steps(): [number, string | null][] {
    return this.events.filter(({ what }) => what === 'step').map(({ atMs, step }) => [atMs, step]);
  }
}

describe('MemoryWatchdog', () => {
  it('leaves a process alone below the soft level', () => {
    const one = new Bench();
    one.otherMb = 799;
    one.run(60_000);
    expect(one.events).toEqual([]);
    expect(one.calls).toEqual([]);
    expect(one.watchdog.state()).toMatchObject({ level: 'normal', step: null });
  });

  it('trims and collects with the check that finds the soft level, and says how much that gave', () => {
    const one = new Bench();
    one.cacheMb = 600;
    one.garbageMb = 150;
    one.run(250);
    expect(one.calls).toEqual(['trim soft', 'gc']);
    expect(one.events).toMatchObject([
      { process: 'test', what: 'step', step: 'trim', level: 'soft', beforeMb: 850, afterMb: 400, limitMb: 1000 },
    ]);
    expect(one.events[0]?.detail).toContain('300.0 MB');
  });

  it('lowers idle quality when a trim was not enough, after the cooldown, and goes no further at the soft level', () => {
    const one = new Bench();
    one.otherMb = 850;
    one.run(60_000);
    expect(one.steps()).toEqual([
      [0, 'trim'],
      [1000, 'lower-idle-quality'],
    ]);
    expect(one.calls).not.toContain('refuse true');
  });

  it('holds a level between release and trigger: no step, no release', () => {
    const one = new Bench();
    one.otherMb = 810;
    one.run(250);
    one.otherMb = 710;
    one.run(10_000);
    expect(one.steps()).toEqual([[0, 'trim']]);
    expect(one.watchdog.state()).toMatchObject({ level: 'soft', step: 'trim' });
    one.otherMb = 690;
    one.run(250);
    expect(one.events.at(-1)).toMatchObject({ what: 'release', step: 'trim', level: 'normal', beforeMb: 810, afterMb: 690 }); // prettier-ignore
    expect(one.watchdog.state()).toMatchObject({ level: 'normal', step: null });
  });

  it('is armed again after a release', () => {
    const one = new Bench();
    one.otherMb = 810;
    one.run(250);
    one.otherMb = 600;
    one.run(250);
    one.otherMb = 820;
    one.run(250);
    expect(one.steps().map(([, step]) => step)).toEqual(['trim', 'trim']);
  });

  it('climbs step by step at the hard level, each after the cooldown', () => {
    const one = new Bench();
    one.otherMb = 960;
    one.run(60_000);
    const first = one.steps().slice(0, 5);
    expect(first).toEqual([
      [0, 'trim'],
      [1000, 'lower-idle-quality'],
      [2000, 'refuse'],
      [3000, 'end-heaviest'],
      [4000, 'restart'],
    ]);
    expect(one.calls[0]).toBe('trim hard');
  });

  it('acts at once when the soft level becomes the hard one', () => {
    const one = new Bench();
    one.otherMb = 810;
    one.run(250);
    one.otherMb = 960;
    one.run(250);
    expect(one.calls).toEqual(['trim soft', 'gc', 'trim hard']);
  });

  it('takes new work again below the release share, and full idle quality only at the normal level', () => {
    const one = new Bench();
    one.otherMb = 960;
    one.run(2250);
    expect(one.watchdog.state()).toMatchObject({ level: 'hard', step: 'refuse' });
    one.otherMb = 860;
    one.run(5000);
    expect(one.calls).not.toContain('refuse false');
    one.otherMb = 840;
    one.run(250);
    expect(one.calls).toContain('refuse false');
    expect(one.watchdog.state()).toMatchObject({ level: 'soft', step: 'lower-idle-quality' });
    one.otherMb = 100;
    one.run(250);
    expect(one.calls.at(-1)).toBe('lower false');
    expect(one.events.filter(({ what }) => what === 'release').map(({ step }) => step)).toEqual([
      'refuse',
      'lower-idle-quality',
      'trim',
    ]);
  });

  it('ends no session when one more collection is enough, whatever the interval says', () => {
    const one = new Bench();
    one.otherMb = 810;
    one.run(250);
    one.garbageMb = 160;
    one.run(10_000);
    expect(one.calls).not.toContain('end');
    expect(one.watchdog.state()).toMatchObject({ level: 'soft', collections: 2 });
  });

  it('collects at the hard level what a trim let go, once, although the interval has not passed', () => {
    const one = new Bench();
    one.otherMb = 810;
    one.run(250);
    one.otherMb = 870;
    one.cacheMb = 100;
    one.run(250);
    expect(one.calls).toEqual(['trim soft', 'gc', 'trim hard', 'gc']);
    one.run(4000, () => (one.cacheMb = Math.max(one.cacheMb, 100)));
    expect(one.watchdog.state()).toMatchObject({ level: 'hard', collections: 2 });
  });

  it('ends another session only when the one before it helped; else the process is replaced', () => {
    const one: Bench = new Bench({
      endHeaviest: () => {
        one.calls.push('end');
        if (one.otherMb > 980) one.otherMb -= 25;
        return 's';
      },
      restart: () => one.calls.push('restart'),
    });
    one.otherMb = 999;
    // 999 → 974 helped; the next gives nothing.
    one.run(20_000);
    expect(one.calls.filter((call) => call === 'end' || call === 'restart')).toEqual(['end', 'end', 'restart', 'restart']); // prettier-ignore
  });

  it('asks for a fresh process at once when there is no session to end', () => {
    const one: Bench = new Bench({ endHeaviest: () => null, restart: () => one.calls.push('restart') });
    one.otherMb = 960;
    one.run(1250);
    expect(one.steps()).toEqual([
      [0, 'trim'],
      [1000, 'restart'],
    ]);
  });

  it('skips what the process cannot do, and says once that nothing is left', () => {
    const one: Bench = new Bench({ refuse: (on) => one.calls.push(`refuse ${on}`) });
    one.otherMb = 960;
    one.run(120_000);
    expect(one.steps().map(([, step]) => step)).toEqual(['trim', 'refuse']);
    expect(one.events.filter(({ what }) => what === 'warning')).toHaveLength(1);
  });

  it('does not replace a process over and over whose fresh one needs as much', () => {
    const one = new Bench(undefined, { limitBytes: 105 * MB });
    one.run(60_000);
    expect(one.calls).toContain('refuse true');
    expect(one.calls).not.toContain('restart');
    const [warning] = one.events.filter(({ what }) => what === 'warning');
    expect(warning?.detail).toMatch(/needs 100 MB.*maxMemoryMb/);
  });

  it('ends with the restart, and not at full speed, when memory is in no register', () => {
    const one = new Bench();
    one.otherMb = 960;
    one.run(120_000);
    const { length } = one.calls.filter((call) => call === 'restart');
    expect(length).toBeGreaterThanOrEqual(1);
    expect(length).toBeLessThanOrEqual(13);
    // Trims that find nothing become rare, and collections keep their interval (one more before the session ended).
    expect(one.calls.filter((call) => call.startsWith('trim')).length).toBeLessThan(20);
    expect(one.calls.filter((call) => call === 'gc').length).toBeLessThanOrEqual(120 / 15 + 1);
  });

  it('trims again and again what fills again, but less and less often when there is nothing', () => {
    const full = new Bench();
    full.otherMb = 700;
    full.run(30_000, () => (full.cacheMb = 110));
    expect(full.calls.filter((call) => call === 'trim soft').length).toBeGreaterThanOrEqual(25);
    const empty = new Bench();
    empty.otherMb = 810;
    empty.run(30_000);
    expect(empty.calls.filter((call) => call === 'trim soft').length).toBeLessThanOrEqual(7);
    expect(empty.steps()).toHaveLength(2);
  });

  it('does not wait over the limit: what hurts nobody in one check, then a session, then the process', () => {
    const one = new Bench();
    one.otherMb = 1001;
    one.run(2000);
    expect(one.steps()).toEqual([
      [0, 'trim'],
      [0, 'lower-idle-quality'],
      [0, 'refuse'],
      [250, 'end-heaviest'],
      [500, 'restart'],
    ]);
  });

  it('keeps a growing cache under its limit: 64 MB a second against a limit of 400 MB', () => {
    const one = new Bench(undefined, { limitBytes: 400 * MB });
    one.run(60_000, () => (one.cacheMb += 16));
    expect(one.watchdog.state().peakBytes).toBeLessThanOrEqual(400 * MB);
    expect(one.calls).not.toContain('refuse true');
  });

  it('bounds a growing leak by the restart', () => {
    const one: Bench = new Bench({ restart: () => (one.otherMb = 100) }, { limitBytes: 1000 * MB });
    one.run(120_000, () => (one.otherMb += 16));
    expect(one.watchdog.state().peakBytes).toBeLessThanOrEqual(1050 * MB);
  });

  it('collects at most every interval at the soft level', () => {
    const one = new Bench();
    one.otherMb = 810;
    one.run(60_250);
    expect(one.watchdog.state().collections).toBeLessThanOrEqual(5);
    expect(one.watchdog.state().collections).toBeGreaterThanOrEqual(3);
  });

  it('works without forced collections', () => {
    const registry = new MemoryRegistry();
    const events: GuardEvent[] = [];
    const watchdog = new MemoryWatchdog({
      process: 'test',
      registry,
      settings,
      actions: {},
      clock: () => 0,
      rss: () => 900 * MB,
      onEvent: (event) => events.push(event),
    });
    watchdog.check();
    expect(events).toMatchObject([{ step: 'trim', afterMb: 900 }]);
    expect(watchdog.state().collections).toBe(0);
  });

  it('follows new limits from the next check on', () => {
    const one = new Bench();
    one.otherMb = 500;
    one.run(250);
    one.watchdog.configure({ ...settings, limitBytes: 600 * MB });
    one.run(250);
    expect(one.watchdog.state()).toMatchObject({ level: 'soft', limitBytes: 600 * MB });
    one.watchdog.configure(settings);
    one.run(250);
    expect(one.watchdog.state()).toMatchObject({ level: 'normal', step: null });
  });

  it('splits memory into base, what is accounted, and the rest', () => {
    const one = new Bench();
    one.cacheMb = 300;
    one.otherMb = 140;
    expect(one.watchdog.state()).toMatchObject({
      rssBytes: 440 * MB,
      peakBytes: 440 * MB,
      baseBytes: 100 * MB,
      accountedBytes: 300 * MB,
      unaccountedBytes: 40 * MB,
      entries: [{ name: 'cache', bytes: 300 * MB }],
    });
  });

  it('trims when it is asked to, at any level, and tells of it', () => {
    const one = new Bench();
    one.cacheMb = 50;
    expect(one.watchdog.trim('hard')).toEqual({
      freedBytes: 50 * MB,
      users: [{ name: 'cache', owner: 'test', freedBytes: 50 * MB }],
    });
    expect(one.events).toMatchObject([{ step: 'trim', level: 'normal', beforeMb: 150, afterMb: 100 }]);
    expect(one.watchdog.state().step).toBeNull();
  });
});
