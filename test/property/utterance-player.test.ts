import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ManualSource, PlayerBench, samplesOf, settle } from '../support/player-bench.js';

type Step =
  | { kind: 'open' | 'end' | 'fail' | 'interrupt' | 'kill' | 'drain' | 'attach' | 'deliver' | 'settle' }
  | { kind: 'push'; samples: number }
  | { kind: 'tick'; times: number };

const simple = (...kinds: Exclude<Step['kind'], 'push' | 'tick'>[]) =>
  fc.constantFrom(...kinds).map((kind): Step => ({ kind }));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('push' as const), samples: fc.integer({ min: 1, max: 9000 }) }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('tick' as const), times: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 3, arbitrary: simple('open', 'end') },
  { weight: 2, arbitrary: simple('deliver') },
  { weight: 3, arbitrary: simple('settle') },
  { weight: 3, arbitrary: simple('attach') },
  { weight: 2, arbitrary: simple('interrupt', 'kill', 'drain', 'fail') },
);

/** Plays a scenario to its end and says what came of it. */
async function play(steps: readonly Step[]): Promise<{ bench: PlayerBench; sources: ManualSource[] }> {
  const bench = new PlayerBench();
  const sources: ManualSource[] = [];
  bench.attach();
  const open = (): ManualSource => {
    const source = new ManualSource(sources.length);
    sources.push(source);
    bench.player.enqueue(source.utterance);
    return source;
  };
  const last = (): ManualSource => sources.at(-1) ?? open();
  for (const step of steps) {
    if (step.kind === 'push') (last().ended ? open() : last()).push(step.samples);
    else if (step.kind === 'tick') for (let i = 0; i < step.times; i++) bench.tick();
    else if (step.kind === 'open') open();
    else if (step.kind === 'end') last().end();
    else if (step.kind === 'fail') last().end(new Error('the voice is gone'));
    else if (step.kind === 'interrupt') void bench.interrupt();
    else if (step.kind === 'kill') bench.kill();
    else if (step.kind === 'drain') await bench.drain();
    else if (step.kind === 'attach') bench.attach();
    else if (step.kind === 'deliver') bench.deliver();
    else await settle();
  }
  for (const source of sources) source.end();
  await bench.playOut();
  return { bench, sources };
}

it('lets every sample be heard exactly once, or belong to what was interrupted, in any order of events', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      const { bench, sources } = await play(steps);
      expect(bench.outstanding).toBe(0);
      let order = 0;
      for (const { utterance, key, pushed } of sources) {
        const { id } = utterance;
        const finals = bench.events.filter((event) => event.id === id && event.name !== 'started');
        expect(finals).toHaveLength(1);
        const [final] = finals;
        if (final!.name === 'ended') {
          expect(bench.events.indexOf(final!)).toBeGreaterThanOrEqual(order);
          order = bench.events.indexOf(final!);
        }
        let end = 0;
        let stage = 0;
        let repeated = 0;
        for (const heard of bench.heard.filter((heard) => heard.id === id)) {
          // A stage that takes over may repeat what its forerunner did not live to acknowledge, and skips nothing.
          const again = heard.stage === stage ? 0 : end - heard.start;
          if (heard.start + again !== end || again < 0) throw new Error(`${heard.start} was heard after ${end}`);
          repeated += again;
          const wanted = samplesOf(key, heard.start, heard.samples.length);
          if (heard.samples.some((sample, i) => sample !== wanted[i])) throw new Error(`other sound at ${heard.start}`);
          end = heard.start + heard.samples.length;
          stage = heard.stage;
        }
        expect(repeated).toBeLessThanOrEqual(bench.unacknowledged.get(id) ?? 0);
        if (final!.name === 'ended') expect(end).toBe(pushed);
        else expect(end).toBeLessThanOrEqual(pushed);
      }
    }),
    { numRuns: 10_000 },
  );
}, 120_000);
