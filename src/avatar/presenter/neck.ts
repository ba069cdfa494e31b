/** Neck and the top of the chest. */

import { bump, lazy, mirrored, points, ridge, smooth, spline, table, type Point } from './geometry.js';
import { blur, line, polygon } from './paint.js';
import { bands, grid, levels, light } from './relief.js';
import { LIGHTS, SKIN, outline } from './face.js';
import { jawShift } from './jaw.js';

const EDGE = spline(points('66,100 61,150 57.5,186 58,210 64,228 82,244 104,258 110,290 104,330'), 8);
const WIDTH = points('110,63 185,58.5 212,60 230,68 250,102 274,180 304,300');
const STERNO = spline(points('60,140 50,186 34,236 12,284'), 8);
const CLAVICLE = spline(points('10,288 44,282 90,268 140,260 190,266'), 8);

function heightAt(x: number, y: number): number {
  const m = Math.abs(x);
  let z = 62 * Math.sqrt(1 - Math.min(0.985, Math.pow(m / table(WIDTH, y), 2.5)));
  z += 5.5 * ridge(m, y, STERNO, 7);
  z += 3 * bump(x, y, 0, 216, 11, 34);
  z -= 7 * bump(x, y, 0, 290, 10, 10);
  z += 5.5 * ridge(m, y, CLAVICLE, 6.5);
  z -= 5 * bump(m, y, 62, 260, 26, 9, -0.22);
  return z;
}

const tones = lazy(() => {
  const g = grid({ x0: -200, y0: 98, x1: 200, y1: 340, step: 4 }, heightAt);
  return levels(
    g,
    light(g, { lights: LIGHTS, ambient: 0.16, occlusion: [{ sigma: 9, strength: 0.04, open: 0.2 }] }),
    44,
  );
});

/** Neck and chest with the head's shadow, which follows a chin that is `drop` lower. */
export function neckSvg(drop: number): string {
  // Far from the chin the shadow is soft and hardly moves: it must have come to rest where the mouth's patch ends.
  const cast = (dx: number, dy: number, follow: number): string => {
    const jaw = outline.filter(([, y]) => y > 60).map((p) => jawShift(p, drop * follow));
    return polygon(jaw.map(([x, y]): Point => [x * 0.96 + dx, y + dy * (1 - 0.25 * smooth(0, 24, drop))]));
  };
  return `<g id="neck"><clipPath id="neck-clip"><path d="${polygon(mirrored(EDGE))}"/></clipPath>
<g clip-path="url(#neck-clip)"><g ${blur(2)}>${bands(tones(), SKIN)}</g>
<rect x="-120" y="90" width="240" height="260" fill="#7a3a28" fill-opacity=".16"/>
<path d="M-70 90H70V280H34Q58 216 50 90Z" fill="#4a1a12" fill-opacity=".3" ${blur(12)}/>
<path d="${cast(12, 36, 0.3)}" fill="#5a2216" fill-opacity=".56" ${blur(12)}/>
<path d="${cast(6, 18, 0.6)}" fill="#42170f" fill-opacity=".58" ${blur(8)}/>
<path d="${cast(1, 5, 1)}" fill="#2a0c08" fill-opacity=".56" ${blur(4)}/>
${line('M-75 110Q-63 180-66 238', '#2a0c08', 14, 0.4, 6)}
${line('M75 110Q61 180 66 238', '#200806', 20, 0.46, 6)}</g></g>`;
}
