/** Blazer and knit. Drawn down to the waist, which only a standing picture shows. */

import { clamp, lazy, mirrored, points, ridge, smooth, spline, table, type Point } from './geometry.js';
import { blur, curve, line, polygon, stop, type Ramp } from './paint.js';
import { bands, grid, levels, light, type Box, type Level } from './relief.js';

/** Where the drawing ends, below every view. */
const END = 900;

const BLAZER: Ramp = [
  [0, '#05070c'],
  [0.2, '#0c121d'],
  [0.4, '#17233a'],
  [0.6, '#26384f'],
  [0.8, '#41556f'],
  [1, '#8498ae'],
];
const KNIT: Ramp = [
  [0, '#3b2c22'],
  [0.2, '#7d6855'],
  [0.4, '#b09a83'],
  [0.6, '#d6c5af'],
  [0.8, '#eee2d0'],
  [1, '#fff8ea'],
];

// The right half of the silhouette: trapezius, shoulder, sleeve.
const SHOULDER = points(
  '50,228 80,238 118,249 164,260 208,271 246,286 276,308 297,340 310,384 319,440 326,510 332,600 337,700 341,800 344,900',
);
const TOP = points('0,222 80,238 118,249 164,260 208,271 246,286 276,308 297,340 310,384 345,900');
const ARMPIT = spline(points('262,318 254,366 240,412 236,470 240,560 246,680 250,900'), 6);
const ARM = points('320,256 400,262 500,272 700,282 900,288');
const FOLDS = {
  pull: spline(points('244,416 206,446 168,492 140,540'), 5),
  under: spline(points('242,440 212,478 190,540'), 5),
  waistL: spline(points('-226,648 -160,640 -90,620 -30,596'), 6),
  waistL2: spline(points('-220,690 -150,668 -80,640 -34,612'), 6),
  waistR: spline(points('228,622 170,628 104,616 44,594'), 6),
  elbowL: spline(points('-330,600 -296,622 -258,614'), 5),
  elbowL2: spline(points('-328,560 -300,572 -266,560'), 5),
  elbowR: spline(points('332,584 300,612 262,606'), 5),
  sleeve: spline(points('300,368 306,420 300,480 292,560'), 6),
};

function blazerHeight(x: number, y: number): number {
  const m = Math.abs(x);
  const below = Math.max(0.5, y - table(TOP, m));
  const waist = 250 - 14 * smooth(420, 620, y) + 10 * smooth(660, 900, y);
  const torso = 104 * Math.sqrt(1 - Math.min(0.99, Math.pow(m / waist, 3.2)));
  const across = clamp((m - table(ARM, y)) / 66, -1, 1);
  const arm = 34 + 52 * Math.sqrt(1 - 0.97 * across * across) * smooth(290, 380, y);
  // A soft union: the sleeve hangs beside the chest and leaves a valley.
  let z = 14 * Math.log(Math.exp(torso / 14) + Math.exp((arm * smooth(190, 215, m)) / 14));
  z *= Math.sqrt(1 - Math.exp(-below / 40));
  z -= 7 * ridge(m, y, ARMPIT, 5) * smooth(310, 420, y);
  z += 6 * ridge(m, y, FOLDS.pull, 9) - 4 * ridge(m, y, FOLDS.under, 8);
  z += 2.6 * ridge(x, y, FOLDS.waistL, 9) - 2 * ridge(x, y, FOLDS.waistL2, 8) + 2.4 * ridge(x, y, FOLDS.waistR, 10);
  z += 5 * ridge(x, y, FOLDS.elbowL, 7) - 4 * ridge(x, y, FOLDS.elbowL2, 7) + 5 * ridge(x, y, FOLDS.elbowR, 8);
  z += 4 * ridge(m, y, FOLDS.sleeve, 14);
  return z;
}

const PLEATS = {
  left: spline(points('-66,316 -34,400 -16,560'), 5),
  leftLow: spline(points('-46,326 -14,420 0,560'), 5),
  right: spline(points('58,320 38,400 22,560'), 5),
};
function knitHeight(x: number, y: number): number {
  let z = 70 * Math.sqrt(1 - Math.min(0.98, Math.pow(Math.abs(x) / 200, 2.4)));
  z += 10 * clamp((y - 306) / 90);
  z += 2.6 * ridge(x, y, PLEATS.left, 9) - 2.2 * ridge(x, y, PLEATS.leftLow, 7) + 2.2 * ridge(x, y, PLEATS.right, 9);
  return z;
}

const lit = (height: (x: number, y: number) => number, ambient: number, box: Box): (() => Level[]) =>
  lazy(() => {
    const g = grid(box, height);
    const lights = [
      { dir: [-0.55, -0.62, 0.7], power: 0.62, wrap: 0.2 },
      { dir: [0.8, -0.1, 0.5], power: 0.14, wrap: 0.3 },
    ] as const;
    return levels(g, light(g, { lights, ambient, occlusion: [{ sigma: 10, strength: 0.05, open: 0.3 }] }), 40);
  });
const blazerTones = lit(blazerHeight, 0.1, { x0: -355, y0: 215, x1: 355, y1: END, step: 5 });
const knitTones = lit(knitHeight, 0.2, { x0: -140, y0: 250, x1: 140, y1: 600, step: 4 });

const NECKLINE = spline(points('-104,252 -82,284 -48,309 0,320 48,309 82,284 104,252'), 8);

// The right front, from the neck to the button; the left one is its mirror image.
const ROLL = points('86,236 99,274 96,322 78,394 48,476 8,566');
const LAPEL_EDGE = points('152,318 170,326 168,344 154,400 120,468 70,528 8,570');
const COLLAR_IN = points('56,207 61,222 74,238 90,260 98,284 99,300');
const COLLAR_OUT = points('139,313 147,296 138,272 120,250 99,230 82,213 68,204 56,207');

const torsoPath = (): string => polygon(mirrored(spline(SHOULDER, 8)));

function frontSvg(s: number): string {
  const f = (right: readonly Point[]): Point[] => right.map(([x, y]): Point => [x * s, y + (s < 0 ? 1 : -1)]);
  const side = s < 0 ? 'l' : 'r';
  const roll = f(spline(ROLL, 6));
  const outer = f(spline(LAPEL_EDGE, 6));
  const gorge = f(points('99,300 152,318'));
  const lapel = polygon([...roll.slice(12), ...[...outer].reverse(), ...[...gorge].reverse()]);
  const collar = polygon([...f(spline(COLLAR_IN, 6)), ...f(spline(COLLAR_OUT, 6))]);
  const stitch = f(spline(points('163,336 148,396 115,463 67,521 20,558'), 6));
  return `<path d="${lapel}" fill="#02060a" fill-opacity=".55" transform="translate(${s * 3} 7)" ${blur(6)}/>
<path d="${lapel}" fill="url(#cloth-lapel-${side})"/>
${line(curve(f(spline(points('112,312 118,360 96,440 52,520'), 5))), '#b7c9dc', 16, s < 0 ? 0.13 : 0.07, 6)}
${line(curve(roll.slice(12)), '#0a1018', 4, 0.5, 1.5)}
${line(curve(roll.slice(12)), '#93a8c0', 1.1, 0.3, 0.7)}
${line(curve(outer), '#05090f', 1.6, 0.7, 0.7)}${line(curve(outer.map(([x, y]): Point => [x - s * 1.4, y - 0.6])), '#a7bacf', 1.2, s < 0 ? 0.42 : 0.2, 0.7)}
<path d="${curve(stitch)}" fill="none" stroke="#070b12" stroke-width=".7" stroke-dasharray="2.2 1.8" stroke-opacity=".45"/>
<path d="${collar}" fill="#02060a" fill-opacity=".5" transform="translate(${s * 3} 5)" ${blur(4)}/>
<path d="${collar}" fill="url(#cloth-collar-${side})"/>
${line(curve(f(spline(COLLAR_OUT, 6))), '#a9bccf', 1.3, s < 0 ? 0.42 : 0.22, 0.7)}
${line(curve(f(points('99,301 126,309 152,318'))), '#04080d', 1.6, 0.75, 0.7)}`;
}

/** Gradients, the knit's stitch and the weave. */
export function clothesDefs(): string {
  const g = (id: string, a: string, ...stops: string[]): string =>
    `<linearGradient id="${id}" ${a}>${stops.join('')}</linearGradient>`;
  return (
    g('cloth-lapel-l', 'x1="0" y1="0" x2="1" y2=".5"', stop(0, '#475d77'), stop(0.4, '#30445c'), stop(1, '#18243a')) +
    g('cloth-lapel-r', 'x1="0" y1="0" x2="1" y2=".4"', stop(0, '#1d2b40'), stop(0.5, '#24364d'), stop(1, '#1a283b')) +
    g('cloth-collar-l', 'x1="0" y1="0" x2="1" y2=".3"', stop(0, '#3f546c'), stop(0.6, '#293b51'), stop(1, '#141f2d')) +
    g('cloth-collar-r', 'x1="0" y1="0" x2="1" y2="1"', stop(0, '#141f2e'), stop(0.5, '#223248'), stop(1, '#1a2738')) +
    `<radialGradient id="cloth-button" cx=".38" cy=".34" r=".8">${stop(0, '#5b6778')}${stop(0.5, '#202833')}${stop(1, '#090c11')}</radialGradient>` +
    `<pattern id="cloth-stitch" width="5.2" height="4.6" patternUnits="userSpaceOnUse"><path d="M0 .6Q1.6 1.2 2.6 4.4 3.6 1.2 5.2.6" fill="none" stroke="#6f5a46" stroke-width=".8" stroke-opacity=".42"/><path d="M.5-.2Q1.9.6 2.6 3.2" fill="none" stroke="#fffaf0" stroke-width=".6" stroke-opacity=".42"/></pattern>
<filter id="cloth-weave" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB"><feTurbulence type="fractalNoise" baseFrequency=".55 .9" numOctaves="2" seed="4"/><feColorMatrix values="0 0 0 0 .75  0 0 0 0 .86  0 0 0 0 .9  0 0 0 -1.5 1.02"/><feComposite in2="SourceGraphic" operator="in"/></filter>`
  );
}

/** The blazer's shoulders, sleeves and sides. */
export function bodySvg(): string {
  const torso = torsoPath();
  const sleeve = spline(points('252,292 266,326 262,366 246,408 240,440'), 6);
  const hang = spline(points('240,440 239,520 244,640 250,900'), 6);
  const both = (path: readonly Point[], colour: string, w: number, a: number, soft: number): string =>
    line(curve(path), colour, w, a, soft) + line(curve(path.map(([x, y]): Point => [-x, y])), colour, w, a, soft);
  const rim = spline(SHOULDER.slice(3), 4);
  return `<g id="body"><clipPath id="body-clip"><path d="${torso}"/></clipPath>
<path d="M-76 246Q-76 214-58 204H58Q76 214 76 246Z" fill="#0b121c"/><path d="${torso}" fill="#0d141f"/>
<g clip-path="url(#body-clip)"><g ${blur(3)}>${bands(blazerTones(), BLAZER)}</g>
${both(sleeve, '#03070c', 1.6, 0.5, 0.7)}${both(
    sleeve.map(([x, y]): Point => [x - 2.4, y]),
    '#8ea3bb',
    1.2,
    0.2,
    0.7,
  )}
${both(hang, '#020509', 9, 0.55, 4)}${both(hang, '#020509', 2, 0.5, 1)}
${line(curve(rim), '#ffb56e', 5, 0.42, 3)}${line(curve(rim.map(([x, y]): Point => [-x, y])), '#cfe6ea', 4, 0.26, 3)}</g></g>`;
}

/** Knit and the blazer's front, before the neck. */
export function garmentSvg(): string {
  const knit = `${curve(NECKLINE)}L140 600L-140 600Z`;
  const rib = NECKLINE.filter((_, i) => i % 2 === 0)
    .map(
      ([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}l${(x * 0.035).toFixed(1)} ${(13 - Math.abs(x) * 0.03).toFixed(1)}`,
    )
    .join('');
  const opening = polygon([...spline(ROLL, 6), ...mirrored(spline(ROLL, 6)).slice(spline(ROLL, 6).length)]);
  const closing = spline(points('8,566 14,620 12,720 14,900'), 6);
  const button = (y: number): string =>
    `<circle cx="-3" cy="${y + 2.5}" r="10" fill="#020509" fill-opacity=".6" ${blur(2)}/><circle cx="-4" cy="${y}" r="9" fill="url(#cloth-button)"/><path d="M-6.4 ${y - 2.4}l4.8 4.8M-1.6 ${y - 2.4}l-4.8 4.8" stroke="#0a0d12" stroke-width="1.1" stroke-opacity=".8"/>`;
  return `<g id="garment"><clipPath id="knit-clip"><path d="${knit}"/></clipPath><clipPath id="opening-clip"><path d="${opening}"/></clipPath>
${line(curve(NECKLINE.map(([x, y]): Point => [x, y - 1])), '#3a130d', 5, 0.45, 3)}
<g clip-path="url(#opening-clip)"><g id="knit" clip-path="url(#knit-clip)"><g ${blur(2)}>${bands(knitTones(), KNIT)}</g>
<rect x="-140" y="250" width="280" height="350" fill="url(#cloth-stitch)" opacity=".75"/>
<path d="${rib}" stroke="#6f5a46" stroke-width="1.3" stroke-opacity=".45" fill="none" ${blur(0.4)}/>
${line(curve(NECKLINE.map(([x, y]): Point => [x * 1.04, y + 14])), '#5b4534', 1.6, 0.5, 1)}
${line(curve(NECKLINE.map(([x, y]): Point => [x, y + 2])), '#fff8ea', 2.2, 0.6, 0.7)}
${line(curve(spline(ROLL, 5)), '#24150c', 26, 0.5, 8)}${line(
    curve(
      spline(
        ROLL.map(([x, y]): Point => [-x, y]),
        5,
      ),
    ),
    '#24150c',
    20,
    0.4,
    8,
  )}</g></g>
<g id="front">${line(curve(closing), '#020509', 7, 0.5, 3)}${line(curve(closing), '#04080d', 1.5, 0.75, 0.7)}${line(curve(closing.map(([x, y]): Point => [x - 2, y])), '#8a9fb7', 1.2, 0.3, 0.7)}
${frontSvg(1)}${frontSvg(-1)}${button(588)}${button(690)}</g>
<path d="${torsoPath()}" fill="#fff" filter="url(#cloth-weave)" opacity=".07"/></g>`;
}
