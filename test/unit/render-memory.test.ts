import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jobsWith, renderAppetite, renderDemand, renderMb } from '../../src/server/renders/render-memory.js';

const demand = fc.record({
  size: fc.record({ width: fc.integer({ min: 64, max: 3840 }), height: fc.integer({ min: 64, max: 3840 }) }),
  avatar: fc.boolean(),
  webm: fc.boolean(),
});

describe('the memory of a render', () => {
  it('is read from its flags', () => {
    expect(renderDemand(['--split=10m', '--size=1920x1080', '--avatar=presenter', '--format=webm'])).toEqual({
      ...{ size: { width: 1920, height: 1080 }, avatar: true, webm: true },
    });
    expect(renderDemand([])).toEqual({ size: { width: 1280, height: 720 }, avatar: false, webm: false });
  });

  it('grows with parts at a time, size, an avatar and WebM', () => {
    fc.assert(
      fc.property(demand, fc.integer({ min: 1, max: 4 }), (one, jobs) => {
        const mb = renderMb(one, jobs);
        expect(renderMb(one, jobs + 1)).toBeGreaterThanOrEqual(mb);
        expect(renderMb({ ...one, avatar: true }, jobs)).toBeGreaterThanOrEqual(mb);
        expect(renderMb({ ...one, webm: true }, jobs)).toBeGreaterThanOrEqual(mb);
        const { width, height } = one.size;
        expect(renderMb({ ...one, size: { width: width + 2, height } }, jobs)).toBeGreaterThanOrEqual(mb);
      }),
    );
  });

  it('says how many parts at a time a loan is enough for', () => {
    fc.assert(
      fc.property(
        demand,
        fc.integer({ min: 1, max: 16 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (one, cores, at) => {
          const { leastMb, comfortableMb } = renderAppetite(one, cores);
          expect(leastMb).toBeLessThanOrEqual(comfortableMb);
          const bytes = Math.ceil((leastMb + at * (comfortableMb - leastMb)) * 1e6);
          const jobs = jobsWith(bytes, one, cores);
          expect(renderMb(one, jobs) * 1e6).toBeLessThanOrEqual(bytes);
          expect(jobsWith(Math.ceil(comfortableMb * 1e6), one, cores)).toBe(Math.min(4, cores));
        },
      ),
    );
  });
});
