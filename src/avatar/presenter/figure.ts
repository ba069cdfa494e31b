/** Neck, chest and clothes. */

import { bump, lazy, mirrored, ridge, spline, table, points, type Point } from './geometry.js';
import { blur, curve, line, polygon, stop, type Ramp } from './paint.js';
import { bands, grid, levels, light, type Box, type Level } from './relief.js';
import { LIGHTS, SKIN, outline } from './face.js';
import { jawShift } from './jaw.js';

// ---- neck and chest ---------------------------------------------------------------

const NECK = spline(points('66,110 60,160 56,205 57,234 63,254 80,270 100,282 104,310 98,350'), 8);
const NECK_WIDTH = points('120,62 205,57 236,58 256,67 276,100 300,180 330,300');
const STERNO = spline(points('60,150 50,200 34,258 12,308'), 8);
const CLAVICLE = spline(points('10,312 44,306 90,292 140,284 190,290'), 8);

function neckHeight(x: number, y: number): number {
  const m = Math.abs(x),
    w = table(NECK_WIDTH, y);
  let z = 62 * Math.sqrt(1 - Math.min(0.985, Math.pow(m / w, 2.5)));
  z += 5.5 * ridge(m, y, STERNO, 7);
  z += 3 * bump(x, y, 0, 240, 11, 34);
  z -= 7 * bump(x, y, 0, 314, 10, 10);
  z += 5.5 * ridge(m, y, CLAVICLE, 6.5);
  z -= 5 * bump(m, y, 62, 284, 26, 9, -0.22);
  return z;
}
const neckTones = lazy(() => {
  const g = grid({ x0: -200, y0: 108, x1: 200, y1: 400, step: 4 }, neckHeight);
  return levels(
    g,
    light(g, { lights: LIGHTS, ambient: 0.16, occlusion: [{ sigma: 9, strength: 0.04, open: 0.2 }] }),
    44,
  );
});

/** Neck and chest with the head's shadow; `drop` moves the shadow with the chin. */
export function neckSvg(drop: number): string {
  const jaw = outline.filter(([, y]) => y > 60).map((p) => jawShift(p, drop));
  const cast = (dx: number, dy: number): string => polygon(jaw.map(([x, y]): Point => [x * 0.96 + dx, y + dy]));
  return `<g id="neck"><clipPath id="neck-clip"><path d="${polygon(mirrored(NECK))}"/></clipPath>
<g clip-path="url(#neck-clip)"><g ${blur(2)}>${bands(neckTones(), SKIN)}</g>
<rect x="-120" y="100" width="240" height="260" fill="#7a3a28" fill-opacity=".16"/>
<path d="M-70 100H70V300H34Q58 230 50 100Z" fill="#4a1a12" fill-opacity=".34" ${blur(12)}/>
<path d="${cast(12, 44)}" fill="#5a2216" fill-opacity=".6" ${blur(12)}/>
<path d="${cast(6, 20)}" fill="#42170f" fill-opacity=".62" ${blur(8)}/>
<path d="${cast(1, 5)}" fill="#2a0c08" fill-opacity=".6" ${blur(4)}/>
${line('M-74 120Q-62 200-64 262', '#2a0c08', 14, 0.42, 6)}
${line('M74 120Q60 200 64 262', '#200806', 20, 0.5, 6)}</g></g>`;
}

// ---- clothes ------------------------------------------------------------------------

const SHOULDER = points('50,250 84,262 138,283 214,304 286,326 334,358 362,408 382,482');
const BLAZER: Ramp = [
  [0, '#05070c'],
  [0.2, '#0c121d'],
  [0.4, '#162132'],
  [0.6, '#24344a'],
  [0.8, '#3d5069'],
  [1, '#8096ad'],
];
const KNIT: Ramp = [
  [0, '#3b2c22'],
  [0.2, '#7d6855'],
  [0.4, '#b09a83'],
  [0.6, '#d6c5af'],
  [0.8, '#eee2d0'],
  [1, '#fff8ea'],
];

const bodyHeight = (x: number, y: number): number => {
  const m = Math.abs(x);
  const top = table(points('0,240 84,262 138,283 214,304 286,326 334,358 362,408 382,482'), m);
  const d = Math.max(0.5, y - top);
  let z = 96 * Math.sqrt(1 - Math.exp(-d / 46)) - 0.0007 * m * m;
  z -= 5 * ridge(m, y, points('284,328 282,390 262,470 252,520'), 5); // armhole seam
  z += 7 * ridge(m, y, points('322,372 326,430 316,500'), 22);
  z += 5 * ridge(m, y, points('270,400 226,446 206,500'), 9); // folds from the armpit
  z -= 4 * ridge(m, y, points('258,392 208,428 180,490'), 7);
  z += 4 * ridge(m, y, points('196,318 190,380 160,440'), 14);
  z -= 3.5 * ridge(x, y, points('-330,420 -288,446 -272,500'), 6);
  z += 4 * ridge(x, y, points('348,430 300,462 284,500'), 7);
  return z;
};
const lit = (fn: (x: number, y: number) => number, ambient: number, box: Box): (() => Level[]) =>
  lazy(() => {
    const g = grid(box, fn);
    return levels(
      g,
      light(g, {
        lights: [
          { dir: [-0.55, -0.62, 0.7], power: 0.62, wrap: 0.2 },
          { dir: [0.8, -0.1, 0.5], power: 0.14, wrap: 0.3 },
        ],
        ambient,
        occlusion: [{ sigma: 9, strength: 0.05, open: 0.3 }],
      }),
      40,
    );
  });
const blazerTones = lit(bodyHeight, 0.1, { x0: -388, y0: 240, x1: 388, y1: 500, step: 4 });

const knitHeight = (x: number, y: number): number => {
  let z = 70 * Math.sqrt(1 - Math.min(0.98, Math.pow(Math.abs(x) / 200, 2.4)));
  z += 10 * Math.min(1, Math.max(0, (y - 330) / 90));
  z += 2.6 * ridge(x, y, points('-66,340 -30,400 -14,490'), 9) - 2.2 * ridge(x, y, points('-46,350 -12,420 0,490'), 7);
  z += 2.2 * ridge(x, y, points('58,344 36,410 26,490'), 9);
  return z;
};
const knitTones = lit(knitHeight, 0.2, { x0: -140, y0: 280, x1: 140, y1: 492, step: 4 });

const NECKLINE = spline(points('-100,280 -78,308 -46,332 0,343 46,332 78,308 100,280'), 8);
// Lapel and collar of the right side; the left one is mirrored and a little wider open.
const LAPEL = points('84,262 92,300 82,352 58,420 30,500 116,500 146,430 168,366 172,350 134,338');
const COLLAR = points('58,240 76,262 92,300 88,330 134,338 150,326 128,284 104,258 76,240');

function lapelSvg(s: number): string {
  const f = (right: readonly Point[]): Point[] =>
    right.map(([x, y]): Point => [x * s + (s < 0 ? -2 : 2), y + (s < 0 ? 1 : -1)]);
  const lapel = polygon(f(LAPEL)),
    collar = polygon(f(COLLAR));
  const edge = f(points('92,300 82,352 58,420 30,500')),
    outer = f(points('172,350 168,366 146,430 116,500'));
  return `<path d="${lapel}" fill="#02070a" fill-opacity=".6" transform="translate(${s * 6} 7)" ${blur(6)}/>
<path d="${lapel}" fill="url(#cloth-lapel-${s < 0 ? 'l' : 'r'})" stroke="#0a0f18" stroke-width=".8"/>
${line(curve(edge), '#8fa4bd', 1.2, 0.35, 0.7)}
${line(curve(outer), '#a0b4ca', 1.3, s < 0 ? 0.42 : 0.22, 0.7)}
<path d="${curve(
    f(points('168,356 163,372 140,432 110,500')),
  )}" fill="none" stroke="#070b12" stroke-width=".7" stroke-dasharray="2.4 1.6" stroke-opacity=".7"/>
<path d="${collar}" fill="#02070a" fill-opacity=".5" transform="translate(${s * 3} 4)" ${blur(3)}/>
<path d="${collar}" fill="url(#cloth-collar-${s < 0 ? 'l' : 'r'})" stroke="#0a0f18" stroke-width=".8"/>
${line(curve(f(points('84,246 104,258 128,284 150,326'))), '#b0c2d4', 1.4, s < 0 ? 0.45 : 0.25, 0.7)}
${line(
  curve(
    f([
      [134, 338],
      [88, 330],
    ]),
  ),
  '#04090d',
  1.6,
  0.75,
  0.7,
)}`;
}

export function clothesDefs(): string {
  const g = (id: string, a: string, ...stops: string[]): string =>
    `<linearGradient id="${id}" ${a}>${stops.join('')}</linearGradient>`;
  return (
    g(
      'cloth-lapel-l',
      'x1="0" y1="0" x2="1" y2=".5"',
      stop(0, '#4a6079'),
      stop(0.35, '#30445c'),
      stop(0.75, '#1d2b3e'),
      stop(1, '#121c2a'),
    ) +
    g('cloth-lapel-r', 'x1="0" y1="0" x2="1" y2=".4"', stop(0, '#2b3d54'), stop(0.4, '#1e2c40'), stop(1, '#101825')) +
    g('cloth-collar-l', 'x1="0" y1="0" x2="1" y2=".3"', stop(0, '#3f546c'), stop(0.6, '#293b51'), stop(1, '#141f2d')) +
    g('cloth-collar-r', 'x1="0" y1="0" x2="1" y2="1"', stop(0, '#141f2e'), stop(0.5, '#223248'), stop(1, '#1a2738')) +
    `<pattern id="cloth-stitch" width="5.2" height="4.6" patternUnits="userSpaceOnUse"><path d="M0 .6Q1.6 1.2 2.6 4.4 3.6 1.2 5.2.6" fill="none" stroke="#6f5a46" stroke-width=".8" stroke-opacity=".5"/><path d="M.5-.2Q1.9.6 2.6 3.2" fill="none" stroke="#fffaf0" stroke-width=".6" stroke-opacity=".45"/></pattern>
<filter id="cloth-weave" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB"><feTurbulence type="fractalNoise" baseFrequency=".55 .9" numOctaves="2" seed="4"/><feColorMatrix values="0 0 0 0 .75  0 0 0 0 .86  0 0 0 0 .9  0 0 0 -1.5 1.02"/><feComposite in2="SourceGraphic" operator="in"/></filter>`
  );
}

/** The blazer's shoulders and sleeves. */
export function bodySvg(): string {
  const torso = torsoPath();
  const seam = (s: number, dx: number, colour: string, w: number, a: number): string =>
    `${line(`M${s * 284 + dx} 328Q${s * 286 + dx} 396 ${s * 256 + dx} 500`, colour, w, a, 1)}`;
  return `<g id="body"><clipPath id="body-clip"><path d="${torso}"/></clipPath>
<path d="M-74 268Q-72 246-60 238H60Q72 246 74 268Z" fill="#0b121c"/><path d="${torso}" fill="#0d141f"/>
<g clip-path="url(#body-clip)"><g ${blur(2)}>${bands(blazerTones(), BLAZER)}</g>
${seam(-1, 0, '#03080c', 2, 0.6)}${seam(1, 0, '#03080c', 2, 0.65)}${seam(-1, -3, '#8499b2', 1.4, 0.3)}
${line(curve(SHOULDER.slice(2)), '#ffb56e', 5, 0.5, 2)}${line(curve(SHOULDER.slice(2).map(([x, y]): Point => [-x, y])), '#cfe6ea', 4, 0.32, 2)}</g></g>`;
}
const torsoPath = (): string => polygon(mirrored(spline(SHOULDER, 8).concat([[386, 500]])));

/** Knit and lapels, in front of the neck. */
export function garmentSvg(): string {
  const knit = `${curve(NECKLINE)}L140 500L-140 500Z`;
  const rib = NECKLINE.filter((_, i) => i % 2 === 0)
    .map(
      ([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}l${(x * 0.035).toFixed(1)} ${(13 - Math.abs(x) * 0.03).toFixed(1)}`,
    )
    .join('');
  return `<g id="garment"><clipPath id="knit-clip"><path d="${knit}"/></clipPath>
${line(curve(NECKLINE.map(([x, y]): Point => [x, y - 1])), '#3a130d', 5, 0.45, 3)}
<g id="knit" clip-path="url(#knit-clip)"><g ${blur(2)}>${bands(knitTones(), KNIT)}</g>
<rect x="-140" y="280" width="280" height="220" fill="url(#cloth-stitch)" opacity=".8"/>
<path d="${rib}" stroke="#6f5a46" stroke-width="1.3" stroke-opacity=".5" fill="none" ${blur(0.4)}/>
${line(curve(NECKLINE.map(([x, y]): Point => [x * 1.04, y + 14])), '#5b4534', 1.6, 0.55, 1)}
${line(curve(NECKLINE.map(([x, y]): Point => [x, y + 2])), '#fff8ea', 2.2, 0.6, 0.7)}
<path d="M92 290L84 352 56 424 28 500H150V280Z" fill="#2a1a10" fill-opacity=".55" ${blur(8)}/><path d="M-92 290L-84 352-60 424-32 500H-150V280Z" fill="#2a1a10" fill-opacity=".35" ${blur(6)}/></g>
<g id="lapels">${lapelSvg(-1)}${lapelSvg(1)}</g><path d="${torsoPath()}" fill="#fff" filter="url(#cloth-weave)" opacity=".08"/></g>`;
}
