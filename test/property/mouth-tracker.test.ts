import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MouthTracker } from '../../src/avatar/mouth/mouth-tracker.js';
import { CHUNK_SAMPLES, VISEMES, neutralMouth, type AudioChunk, type VisemeCue } from '../../src/units.js';

const time = fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.double());
const cue: fc.Arbitrary<VisemeCue> = fc.record({ viseme: fc.constantFrom(...VISEMES), startMs: time, endMs: time });

/** Steps, spikes, noise and full-scale squares: by a kind and an amplitude. */
const sound = fc.record({
  kind: fc.constantFrom('zero', 'square', 'spike', 'noise'),
  amplitude: fc.integer({ min: 0, max: 32_767 }),
});

function chunkOf({ kind, amplitude }: { kind: string; amplitude: number }, index: number): AudioChunk {
  const samples = Int16Array.from({ length: CHUNK_SAMPLES }, (_, i) => {
    if (kind === 'square') return i % 100 < 50 ? amplitude : -amplitude;
    if (kind === 'spike') return i === 700 ? amplitude : 0;
    if (kind === 'noise') return Math.round((((i * 7919 + index * 104_729) % 2003) / 1001 - 1) * amplitude);
    return 0;
  });
  return { samples, utteranceId: 'u', startSample: index * CHUNK_SAMPLES, lengthSamples: CHUNK_SAMPLES };
}

it('stays in range for any cues, any sound and any order of calls', () => {
  fc.assert(
    fc.property(
      fc.array(cue, { maxLength: 12 }),
      fc.array(fc.option(sound), { minLength: 1, maxLength: 25 }),
      fc.integer({ min: 0, max: 5 }),
      fc.option(fc.integer({ min: 0, max: 24 })),
      (cues, sounds, ahead, resetAt) => {
        const tracker = new MouthTracker();
        tracker.addCues('u', cues);
        const chunks = sounds.map((one, index) => (one === null ? null : chunkOf(one, index)));
        const out = neutralMouth();
        chunks.forEach((chunk, frame) => {
          if (frame === resetAt) tracker.reset();
          const next = chunks.slice(frame + 1, frame + 1 + ahead).filter((one) => one !== null);
          tracker.next(chunk, next, out);
          for (const [channel, value] of Object.entries(out) as [string, number][]) {
            expect(Number.isFinite(value), channel).toBe(true);
            expect(value, channel).toBeLessThanOrEqual(1);
            expect(value, channel).toBeGreaterThanOrEqual(channel === 'width' ? -1 : 0);
          }
          expect(tracker.energy).toBeGreaterThanOrEqual(0);
          expect(tracker.energy).toBeLessThanOrEqual(1);
        });
      },
    ),
    { numRuns: 60 },
  );
});
