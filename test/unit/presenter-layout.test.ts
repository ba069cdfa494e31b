import { describe, expect, it } from 'vitest';
import { presenter } from '../../src/avatar/presenter/index.js';
import { REGIONS, type Rect } from '../../src/avatar/source.js';

const overlap = (a: Rect, b: Rect): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

describe('the presenter on its canvas', () => {
  it.each([16 / 9, 4 / 3, 1, 3 / 4, 9 / 16, 1.1, 2])('shows head and chest at %f', (aspect) => {
    const view = presenter.view(aspect);
    expect(view.width / view.height).toBeCloseTo(aspect, 9);
    const { head, chest } = presenter.anchors;
    expect(head.y - head.ry * 0.92).toBeGreaterThan(view.y);
    expect(head.x - head.rx).toBeGreaterThan(view.x);
    expect(chest.y).toBeLessThan(view.y + view.height);
    for (const region of REGIONS) {
      const { rect } = presenter.regions[region]!;
      expect(rect.x).toBeGreaterThan(view.x);
      expect(rect.y).toBeGreaterThan(view.y);
      expect(rect.x + rect.width).toBeLessThan(view.x + view.width);
      expect(rect.y + rect.height).toBeLessThan(view.y + view.height);
    }
  });

  it.each([0, -1, NaN, Infinity])('refuses an aspect of %f', (aspect) => {
    expect(() => presenter.view(aspect)).toThrow(RangeError);
  });

  it('keeps its regions apart', () => {
    const rects = REGIONS.map((region) => presenter.regions[region]!.rect);
    rects.forEach((a, i) => rects.slice(i + 1).forEach((b) => expect(overlap(a, b)).toBe(false)));
  });

  it('has each pose once, within its range', () => {
    for (const region of REGIONS) {
      const { poses } = presenter.regions[region]!;
      expect(new Set(poses.map((pose) => JSON.stringify(pose))).size).toBe(poses.length);
      for (const pose of poses) {
        for (const value of Object.values(pose)) expect(Math.abs(value as number)).toBeLessThanOrEqual(1);
      }
    }
  });

  it('says what it is in a moment', () => {
    expect(presenter.fingerprint).toMatch(/^presenter-\d+-[\da-f]{16}$/);
    expect(presenter.fingerprint).toBe(presenter.fingerprint);
  });
});
