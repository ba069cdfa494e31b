/** The head's skin: sculpted as a height field, lit once, written as tonal bands. */

import { bump, flipped, lerp, random, ridge, smooth, spline, table, lazy, points, type Point } from './geometry.js';
import { blur, curve, glow, line, num, polygon, type Ramp } from './paint.js';
import { grid, light, levels, bands, type Light } from './relief.js';
import { jawShift } from './jaw.js';

/** Right half of the face outline, from the crown to the chin. */
const HALF = points(
  '0,-192 52,-184 90,-160 112,-126 122,-86 125,-44 124,0 120,34 112,66 101.5,95 88,120 70.5,144 52.5,163 36,175.5 19,182.5 0,184.5',
);

const outlineRight = spline(HALF, 10);
/** The face's outline, closed, from the crown clockwise. */
export const outline: readonly Point[] = [
  ...outlineRight,
  ...outlineRight
    .slice(1, -1)
    .reverse()
    .map(([x, y]): Point => [-x, y]),
];

// Polar radius of the outline around CENTRE, for the dome.
const CENTRE: Point = [0, 10];
const radii = lazy(() => {
  const table = new Float32Array(720);
  const closed = [...outline, outline[0]!];
  for (let k = 0; k < 720; k++) {
    const a = (k / 720) * 2 * Math.PI - Math.PI,
      dx = Math.cos(a),
      dy = Math.sin(a);
    for (let i = 0; i < closed.length - 1; i++) {
      const [x1, y1] = [closed[i]![0] - CENTRE[0], closed[i]![1] - CENTRE[1]];
      const [x2, y2] = [closed[i + 1]![0] - CENTRE[0], closed[i + 1]![1] - CENTRE[1]];
      const den = dx * (y2 - y1) - dy * (x2 - x1);
      if (Math.abs(den) < 1e-9) continue;
      const t = (x1 * (y2 - y1) - y1 * (x2 - x1)) / den,
        s = (x1 * dy - y1 * dx) / den;
      if (t > 0 && s >= 0 && s <= 1) {
        table[k] = Math.max(table[k]!, t);
      }
    }
  }
  return table;
});
const radius = (a: number): number => {
  const f = ((a + Math.PI) / (2 * Math.PI)) * 720,
    i = Math.floor(f);
  return lerp(radii()[((i % 720) + 720) % 720]!, radii()[(i + 1) % 720]!, f - i);
};

const BROW = spline(points('16,-24 44,-33 72,-37 100,-22'), 6);
const NASOLABIAL = spline(points('32,70 42,84 50,102 56,124'), 6);
const WING = spline(points('20,56 26,61 28.5,69 26,76 19.5,79'), 6);
const LOWER_LID = spline(points('34,13 56,21 84,13'), 5);
const LID_TROUGH = spline(points('30,14 44,27 62,33'), 5);
const NOSE_HEIGHT = points('-46,0 -24,4 -4,8.5 16,16.5 38,25.5 53,31.5 61,32 69,25.5 77,11 87,0');
const NOSE_WIDTH = points('-30,12.5 -4,8.5 20,9.2 42,10.6 58,13 74,15.5');

/** Height of the closed-eyed, closed-mouthed head towards the viewer. */
function headHeight(x: number, y: number): number {
  const m = Math.abs(x);
  const dx = x - CENTRE[0],
    dy = y - CENTRE[1];
  const r = Math.min(0.99, Math.hypot(dx, dy) / radius(Math.atan2(dy, dx)));
  const flat = lerp(2.5, 3.7, smooth(20, 130, y)); // the jaw turns away late
  let z = 112 * Math.sqrt(1 - Math.pow(r, flat));
  z += 3 * bump(m, y, 42, -86, 34, 30); // frontal eminences
  z -= 5 * bump(m, y, 118, -30, 20, 40); // temples
  z += 3.2 * ridge(m, y, BROW, 11); // brow ridge
  z -= 11 * bump(m, y, 54, -1, 30, 17); // sockets
  z -= 7 * bump(m, y, 24, -8, 9, 13, 0.2);
  z += 10.5 * bump(m, y, 58, 0, 22, 13.5); // eyeballs under the lids
  z -= 1.6 * ridge(m, y, LOWER_LID, 4);
  z -= 1.2 * ridge(m, y, LID_TROUGH, 6);
  const nw = table(NOSE_WIDTH, y);
  z += table(NOSE_HEIGHT, y) * Math.exp(-Math.pow(m / nw, 2.3) * 0.72); // nose ridge
  z += 5.5 * bump(x, y, 0, 58, 10, 9.5); // tip
  z += 9.5 * bump(m, y, 17.5, 68, 7, 8); // wings
  z -= 3.2 * ridge(m, y, WING, 3.2);
  z += 8 * bump(m, y, 80, 38, 28, 16, -0.35); // cheek bones
  z += 7.5 * bump(m, y, 62, 62, 24, 20); // cheek apples
  z -= 5 * bump(m, y, 88, 94, 18, 30, 0.4); // hollow under the bone
  z -= 1.5 * ridge(m, y, NASOLABIAL, 7);
  z += 8 * bump(x, y, 0, 112, 42, 28); // muzzle
  z -= 1.8 * bump(x, y, 0, 95, 4.5, 9);
  z += 1 * bump(m, y, 8.5, 96, 4, 10);
  z -= 2.2 * bump(m, y, 53, 117, 8, 8); // corners of the mouth
  z -= 5.5 * bump(x, y, 0, 142.5, 28, 8); // under the lower lip
  z += 8 * bump(x, y, 0, 163, 27, 15); // chin
  return z;
}

/** Skin from shadow to light. */
export const SKIN: Ramp = [
  [0, '#2b120e'],
  [0.12, '#54281e'],
  [0.28, '#8d503d'],
  [0.42, '#b6775a'],
  [0.56, '#d39a78'],
  [0.7, '#e6b795'],
  [0.84, '#f3ceb1'],
  [1, '#ffe9d7'],
];

/** The lamps of the studio, for skin. */
export const LIGHTS: readonly Light[] = [
  { dir: [-0.6, -0.48, 0.82], power: 0.64, wrap: 0.32 },
  { dir: [0.7, 0.15, 0.7], power: 0.16, wrap: 1 },
];

const PATCH = { x0: -138, y0: -196, x1: 138, y1: 198, step: 3 };
const headTones = lazy(() => {
  const g = grid(PATCH, headHeight);
  const tone = light(g, {
    lights: LIGHTS,
    ambient: 0.2,
    occlusion: [
      { sigma: 7, strength: 0.05, open: 0.2 },
      { sigma: 20, strength: 0.018, open: 0.3 },
    ],
  });
  return levels(g, tone, 60);
});

/** The skin of the head; `drop` is the chin's way down in canvas units. */
export function headBaseSvg(drop: number): string {
  const warp = (p: Point): Point => jawShift(p, drop);
  return `<g id="head-base"><clipPath id="face-clip"><path d="${polygon(outline.map(warp))}"/></clipPath>
<g clip-path="url(#face-clip)"><g ${blur(2)}>${bands(headTones(), SKIN, warp)}</g>
<path d="M-136 30C-118-22-104-56-70-88S8-128 36-124 96-106 112-78 126-10 132 70L150-220H-150Z" fill="#5a2416" fill-opacity=".38" ${blur(12)}/>
<path d="M-136 20C-118-26-100-60-70-92S8-131 35-127 92-110 108-82 124-20 128 70L150-220H-150Z" fill="#3a150d" fill-opacity=".5" ${blur(6)}/>
<path d="M136-60C124 0 122 60 112 120L140 130Z" fill="#3a150d" fill-opacity=".55" ${blur(6)}/></g></g>`;
}

/** Nose: nostrils, wings, highlights and its own shadow over the sculpted form. */
export function noseSvg(): string {
  const part = (
    s: number,
  ): string => `<path d="M${s * 3.8} 76C${s * 6} 71.6 ${s * 12} 70 ${s * 16.4} 73.4 ${s * 16} 77.6 ${s * 9.6} 79.6 ${s * 3.8} 76Z" fill="#6a2a1c" fill-opacity=".5" ${blur(2)}/>
<path d="M${s * 4.9} 76C${s * 6.6} 72.9 ${s * 11.4} 71.7 ${s * 14.6} 74 ${s * 15} 76.4 ${s * 9.6} 78.6 ${s * 4.9} 76Z" fill="#3c150f" fill-opacity=".8" ${blur(0.7)}/>
${line(`M${s * 6.5} 74.6C${s * 9} 72.6 ${s * 12} 72.4 ${s * 14} 74`, '#20080a', 1.3, 0.7, 0.7, 'round')}
${line(`M${s * 22} 57C${s * 27.4} 61 ${s * 29} 70 ${s * 24.6} 77`, '#7c3a27', 2.8, s > 0 ? 0.46 : 0.34, 1.5, 'round')}
${line(`M${s * 25.4} 74.6C${s * 23} 78.8 ${s * 19} 79.6 ${s * 15.4} 77.6`, '#6a2c1c', 1.8, 0.4, 1, 'round')}`;
  return `<g id="nose"><path d="M7-24C11 6 11 34 18 54L26 72 11 77Q6 40 3 0Z" fill="#8a412a" fill-opacity=".13" ${blur(4)}/>
<path d="M-18 78Q0 90 24 78 32 88 18 94-4 97-18 86Z" fill="#7a3523" fill-opacity=".28" ${blur(4)}/>
${part(-1)}${part(1)}
${line('M-4.4 76.4Q0 81.6 4.4 76.4', '#6b2c1c', 2, 0.42, 1)}
${line('M-2-16Q-3 20-3.6 44', '#fff0dc', 4.6, 0.36, 3, 'round')}
<ellipse cx="-3.6" cy="55" rx="6.2" ry="4.8" fill="#fff1e0" fill-opacity=".5" ${blur(3)}/><ellipse cx="-3" cy="53.4" rx="2.4" ry="1.9" fill="#fffaf2" fill-opacity=".6" ${blur(1)}/>
<ellipse cx="-19" cy="65" rx="3" ry="2.8" fill="#ffe6cf" fill-opacity=".42" ${blur(1.5)}/></g>`;
}

/** Colour of the living skin: warmth on cheeks, nose, chin; sheen; a few freckles; pores. */
export function cheeksSvg(drop: number): string {
  const r = random(404);
  let freckles = '';
  for (let i = 0; i < 70; i++) {
    const s = r() < 0.5 ? -1 : 1,
      x = s * Math.abs(r.range(8, 92) + r.normal() * 6),
      y = 34 + r.normal() * 13;
    freckles += `<circle cx="${num(x)}" cy="${num(y)}" r="${num(r.range(0.5, 1.15))}" fill-opacity="${num(r.range(0.03, 0.11))}"/>`;
  }
  return `<g id="cheeks"><g clip-path="url(#face-clip)">
${glow(-74, 52, 60, 44, '#e0604c', 0.19, -24)}${glow(76, 52, 56, 44, '#b8402e', 0.17, 24)}
${glow(0, 60, 42, 30, '#d04a36', 0.2)}${glow(0, 163 + drop, 44, 28, '#d04a36', 0.14)}
${glow(-82, 28, 46, 22, '#fff3e2', 0.62, -24)}${glow(-34, -74, 84, 60, '#fff3e2', 0.5)}${glow(-56, 76, 36, 34, '#fff0dc', 0.26)}
${glow(104, 100, 52, 90, '#6a2c1e', 0.36, 20)}${glow(112, -30, 40, 90, '#6a2c1e', 0.3)}${glow(-104, 108, 26, 60, '#8a4a34', 0.24, -24)}
${line('M125-30C124 30 112 90 88 136L76 150', '#ffb98a', 4, 0.26, 3)}
<g fill="#8a4a30" ${blur(0.4)}>${freckles}</g>
<rect x="-130" y="-140" width="260" height="360" filter="url(#skin-dark)" opacity=".13"/><rect x="-130" y="-140" width="260" height="360" filter="url(#skin-light)" opacity=".12"/></g></g>`;
}

/** Ears; mostly under hair, the left lobe carries a pearl. */
export function earsSvg(): string {
  const ear = (s: number): string => {
    const side = s < 0 ? 'L' : 'R',
      m = (right: Point[]): Point[] => (s < 0 ? flipped(right) : right);
    const shape = curve(
      m(points('118,-8 124,-20 135,-25 145,-18 148,0 145,22 139,40 134,53 127,61 120,59 116,46')),
      true,
    );
    return `<g id="ear-${side}"><clipPath id="ear-clip-${side}"><path d="${shape}"/></clipPath><path d="${shape}" fill="url(#ear-${side}-skin)"/><g clip-path="url(#ear-clip-${side})">
${line(curve(m(points('124,-12 134,-19 142,-12 143,4 140,22 133,40'))), '#8d4029', 5, 0.45, 1.5)}
${line(curve(m(points('125,-17 135,-22 143.6,-15 145.6,2 142,22 136,42'))), '#ffd9ba', 2, s < 0 ? 0.6 : 0.3, 1)}
<path d="${curve(
      m(points('122,4 128,-6 135,0 135,16 129,30 122,34')),
      true,
    )}" fill="#5f2214" fill-opacity=".6" ${blur(2)}/>
${line(curve(m(points('136,-8 138,8 134,24 128,36'))), '#f6bd98', 3, 0.5, 1.5)}
${line(curve(m(points('119,12 123,21 121,34'))), '#eaa680', 4, 0.7, 1.5)}
${line(curve(m(points('117,-10 118,30 116,62'))), '#4f1c11', 6, 0.5, 2)}
<ellipse cx="${s * 128}" cy="49" rx="5" ry="6" fill="#f7b795" fill-opacity=".5" ${blur(2)}/>
<path d="M${s * 150} -30Q${s * 136} 10 ${s * 140} 70" stroke="#2a100a" stroke-width="14" stroke-opacity=".5" fill="none" ${blur(4)}/></g></g>`;
  };
  return `<g id="ears">${ear(-1)}${ear(1)}<circle cx="-126.5" cy="56" r="5" fill="#3a150d" fill-opacity=".4" ${blur(1.5)}/><circle cx="-126.8" cy="54.6" r="4.3" fill="url(#ear-pearl)"/><ellipse cx="-128.2" cy="53" rx="1.2" ry=".9" fill="#fff"/></g>`;
}

/** Gradients and filters of the face. */
export const faceDefs =
  (): string => `<linearGradient id="ear-L-skin" x2="1"><stop offset="0" stop-color="#a55d44"/><stop offset=".5" stop-color="#d38d6c"/><stop offset="1" stop-color="#dba283"/></linearGradient>
<linearGradient id="ear-R-skin" x2="1"><stop offset="0" stop-color="#5a2417"/><stop offset="1" stop-color="#6a3020"/></linearGradient>
<radialGradient id="ear-pearl" cx=".36" cy=".34" r=".75"><stop offset="0" stop-color="#fffdf8"/><stop offset=".5" stop-color="#e9ded2"/><stop offset=".85" stop-color="#a8968c"/><stop offset="1" stop-color="#c4aa98"/></radialGradient>
${pores('dark', '.36 .15 .1', -2.6, 1.12)}${pores('light', '1 .93 .84', 2.6, -1.52)}`;

function pores(name: string, colour: string, gain: number, offset: number): string {
  const [r, g, b] = colour.split(' ');
  return `<filter id="skin-${name}" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB"><feTurbulence type="fractalNoise" baseFrequency=".86 .92" numOctaves="2" seed="7"/><feColorMatrix values="0 0 0 0 ${r}  0 0 0 0 ${g}  0 0 0 0 ${b}  ${gain} 0 0 0 ${offset}"/></filter>`;
}
