/**
 * Eyes, lids and lashes. The face underneath is painted with closed eyes; an opening is cut into it here, so a closing
 * lid always has the skin's own colour. Sides are the viewer's: −1 is screen left.
 */

import type { FacePose } from '../../units.js';
import { along, blend, clamp, lerp, moved, random, spline, points, type Point } from './geometry.js';
import { between, blur, curve, glow, line, num, tapered } from './paint.js';

const EYE = { x: 57.5, y: -0.5, iris: 13.3, pupil: 4.2, travelX: 9.5, travelY: 5 };
type Side = -1 | 1;
type Eyes = FacePose['eyes'];

// Edges of the opening as [distance from the middle of the face, y].
const UPPER_OPEN = points('30.5,5.4 34,1.6 41,-4.3 50,-8.4 59,-9.8 69,-8.5 78,-4.5 84,-0.6 88,1.2');
const UPPER_SHUT = points('30.5,5.4 35,6.5 42,8.4 50,9.8 59,10.3 69,9.2 78,6.2 84,3.4 88,1.9');
const LOWER = points('30.5,5.4 34.5,7.6 42,8.7 50,9.6 59,10 69,8.8 78,5.8 84,3.1 88,1.6');
const CREASE = points('34.5,-2.4 41,-10.4 50,-15.6 60,-17.6 70,-16.2 80,-11.2 88,-4.6 93,0.4');

const side = (right: readonly Point[], s: Side): Point[] =>
  right.map(([x, y]): Point => [(58 + (x - 58) * 1.09) * s, y * 1.12]);

/** Above this the upper lid does not go: 0 is open, below it wide. */
const WIDEST = -0.16;
/** Where the lids are: they follow a gaze, looking down lowers the upper one. */
const lidAt = (close: number, y: number): number => clamp(close + 0.22 * clamp(y, -1) * (1 - close), WIDEST);

function edges(s: Side, close: number): { upper: Point[]; lower: Point[] } {
  const c = clamp(close, WIDEST);
  // The upper lid does nearly all of the way; the lower one rises a little to meet it.
  const upper = side(blend(UPPER_OPEN, UPPER_SHUT, c), s);
  const lower = side(blend(LOWER, moved(LOWER, 0, -0.4), clamp(c)), s);
  return { upper, lower };
}

/** Shared gradients; put once into <defs>. */
export function eyeDefs(): string {
  return `<radialGradient id="eye-white" cx=".48" cy=".52" r=".62"><stop offset="0" stop-color="#f6efe9"/><stop offset=".5" stop-color="#eee2da"/><stop offset=".8" stop-color="#d4bdb2"/><stop offset="1" stop-color="#a98478"/></radialGradient>
<radialGradient id="eye-iris"><stop offset="0" stop-color="#5c3a1c"/><stop offset=".36" stop-color="#94602c"/><stop offset=".52" stop-color="#87602f"/><stop offset=".72" stop-color="#665331"/><stop offset=".86" stop-color="#413a29"/><stop offset=".95" stop-color="#1f1a16"/><stop offset="1" stop-color="#1a1310" stop-opacity=".75"/></radialGradient>
<linearGradient id="eye-iris-light" x1=".3" y1="0" x2=".62" y2="1"><stop offset="0" stop-color="#0c0605" stop-opacity=".78"/><stop offset=".42" stop-color="#0c0605" stop-opacity=".12"/><stop offset=".62" stop-color="#ffd796" stop-opacity=".06"/><stop offset="1" stop-color="#ffd89a" stop-opacity=".5"/></linearGradient>
<radialGradient id="eye-pupil"><stop offset="0" stop-color="#070404"/><stop offset=".82" stop-color="#0a0605"/><stop offset="1" stop-color="#0a0605" stop-opacity="0"/></radialGradient>`;
}

function irisSvg(): string {
  const r = random(11),
    R = EYE.iris;
  let fibres = '';
  for (let i = 0; i < 130; i++) {
    const a = r() * Math.PI * 2,
      bend = r.range(-0.12, 0.12);
    const r0 = r.range(4.2, 7),
      r1 = r.range(8.4, R - 0.9);
    const p = (q: number, k: number): string => `${num(Math.cos(a + bend * k) * q)} ${num(Math.sin(a + bend * k) * q)}`;
    const inner = r() < 0.5;
    const colour = inner
      ? r.pick(['#d79a4c', '#e4b163', '#b8793a', '#c48b47'])
      : r.pick(['#8f8a55', '#a19a66', '#3a2b1a', '#c09a5c', '#2c2317']);
    fibres += `<path d="M${p(inner ? r0 : r0 + 2, 0)}Q${p((r0 + r1) / 2, 1.4)} ${p(inner ? Math.min(r1, 9.6) : r1, 1)}" stroke="${colour}" stroke-width="${num(r.range(0.22, 0.55))}" stroke-opacity="${num(r.range(0.3, 0.75))}"/>`;
  }
  return `<circle r="${R + 0.5}" fill="#2a1a14" fill-opacity=".45" ${blur(0.7)}/><circle r="${R}" fill="url(#eye-iris)"/>
<g fill="none" stroke-linecap="round">${fibres}</g>
<circle r="${num(R - 0.75)}" fill="none" stroke="#120b09" stroke-width="1.9" stroke-opacity=".62" ${blur(0.7)}/>
<circle r="${num(R)}" fill="url(#eye-iris-light)"/>
<circle r="${num(EYE.pupil + 1.5)}" fill="#1c0f08" fill-opacity=".5" ${blur(1)}/><circle r="${num(EYE.pupil)}" fill="url(#eye-pupil)"/>`;
}

// Reflections lie on the cornea: they follow the iris only part of the way.
const glints = (x: number, y: number): string => `<g transform="translate(${num(x * 4.5)} ${num(y * 2.5)})">
<path d="M-7.6-6.9q3.6-2.4 7.4-2.6l-.2 3.9q-3.4 0-6.2 1.7z" fill="#dfeaf2" fill-opacity=".22" ${blur(0.7)}/>
<ellipse cx="-4.3" cy="-4.6" rx="2.5" ry="2.2" fill="#fffdf8" transform="rotate(-18 -4.3 -4.6)" ${blur(0.4)}/>
<ellipse cx="-4.3" cy="-4.6" rx="1.9" ry="1.6" fill="#fff" transform="rotate(-18 -4.3 -4.6)"/>
<ellipse cx="4.6" cy="4.4" rx="1.25" ry=".95" fill="#ffe9cc" fill-opacity=".62" ${blur(0.4)}/></g>`;

/** One eyeball seen through its opening. */
function eyeSvg(s: Side, { close, x, y }: Eyes): string {
  const name = s < 0 ? 'L' : 'R';
  const lid = lidAt(close, y);
  const { upper, lower } = edges(s, lid);
  if (close >= 0.985) return `<g id="eye-${name}"/>`;
  const opening = between(upper, lower);
  const inner: Point = [28 * s, 6.1];
  return `<g id="eye-${name}"><clipPath id="eye-clip-${name}"><path d="${opening}"/></clipPath>
<path d="${opening}" fill="#5d2c22" stroke="#5d2c22" stroke-width="1.6" stroke-opacity=".5" ${blur(0.7)}/>
<g clip-path="url(#eye-clip-${name})">
<g id="sclera-${name}"><rect x="${s * 59 - 31}" y="-15" width="62" height="30" fill="url(#eye-white)"/>
<ellipse cx="${s * 83}" cy="3" rx="9" ry="10" fill="#8d5548" fill-opacity=".34" ${blur(3)}/>
<ellipse cx="${s * 36}" cy="3" rx="9" ry="9" fill="#a55f52" fill-opacity=".36" ${blur(3)}/>
${line(curve(moved(lower, 0, -2)), '#b07a6b', 4, 0.35, 1.5)}</g>
<g transform="translate(${num(s * EYE.x)} ${EYE.y})"><g id="iris-${name}" transform="translate(${num(clamp(x, -1) * EYE.travelX)} ${num(clamp(y, -1) * EYE.travelY)})">${irisSvg()}</g></g>
${line(curve(moved(upper, 0, 1.2)), '#1d0d0a', 9, 0.5, 2)}
${line(curve(moved(upper, 0, 0)), '#1d0d0a', 3.6, 0.6, 0.7)}
<path d="M${num(inner[0] - s * 1)} 6.2Q${num(inner[0] + s * 4)} 2.4 ${num(inner[0] + s * 7.4)} 6.4 ${num(inner[0] + s * 6)} 10 ${num(inner[0] - s * 1)} 6.2Z" fill="#c67f70" fill-opacity=".75" ${blur(1)}/>
<ellipse cx="${num(inner[0] + s * 3.8)}" cy="${num(inner[1] - 0.1)}" rx="1" ry=".5" fill="#fff1e8" fill-opacity=".6" ${blur(0.4)}/>
${line(curve(moved(lower, 0, -0.9).slice(1)), '#fff1e6', 0.7, 0.42, 0.4)}
<g transform="translate(${num(s * EYE.x)} ${EYE.y})">${glints(x, y)}</g>
</g></g>`;
}

function lashes(s: Side, edge: readonly Point[], close: number, lower: boolean): string {
  const r = random(lower ? 31 : 17);
  const root = spline(edge, 8);
  let out = '';
  const n = lower ? 22 : 46;
  for (let i = 0; i < n; i++) {
    const t = lower ? r.range(0.24, 0.97) : 0.06 + (0.94 * (i + r())) / n;
    const [x0, y0] = along(root, t);
    const fan = lerp(-0.5, 1.02, Math.pow(t, 1.15)) + r.range(-0.14, 0.14);
    const length = lower ? r.range(2, 3.8) * lerp(0.7, 1.15, t) : (2.6 + 4.6 * Math.pow(t, 1.3)) * r.range(0.75, 1.1);
    // Open: up and outwards. Shut: down and outwards. In between they point at the viewer.
    const lift = lower ? 0.8 : lerp(-1, 0.85, close);
    const dx = s * Math.sin(fan) * length,
      dy = Math.cos(fan) * length * lift;
    const tip: Point = [x0 + dx * 1.06, y0 + dy];
    const bend: Point = [
      x0 + dx * (lower ? 0.5 : 0.34),
      y0 + dy * (lower ? 0.5 : close > 0.5 ? 0.7 : 0.42) + (lower ? 0 : 0.5),
    ];
    const w = lower ? 0.36 : 0.72 * r.range(0.7, 1.1);
    out += `<path d="${tapered([[x0, y0], bend, tip], (q) => w * (1 - q * 0.85))}" fill-opacity="${lower ? num(r.range(0.35, 0.6)) : num(r.range(0.75, 0.95))}"/>`;
  }
  return out;
}

/** Lid shading, crease, lash line and lashes of one eye for `close` 0 (open) to 1 (shut). */
function lidSvg(s: Side, { close, y }: Eyes): string {
  const name = s < 0 ? 'L' : 'R';
  const c = lidAt(close, y);
  const { upper, lower } = edges(s, c);
  const crease = side(moved(CREASE, 0, 1.6 * clamp(c)), s);
  const fold = tapered(spline(crease, 6), (t) => 0.5 + 1.9 * Math.sin(Math.PI * Math.pow(t, 0.8)));
  const liner = tapered(
    spline([...upper.slice(1), [93 * s, -0.9 + 2.4 * c] as const], 6),
    (t) => 0.4 + 2.2 * Math.pow(t, 0.75) * (1 - Math.pow(t, 6)),
  );
  const shut = clamp(c),
    middle = s * 59,
    top = crease[4]![1],
    edge = upper[4]![1],
    span = edge - top;
  return `<g id="upper-lid-${name}">
<path d="${between(moved(crease, 0, 0.5), upper.slice(1))}" fill="#8a4a35" fill-opacity="${num(0.26 - 0.1 * shut)}" ${blur(2)}/>
${glow(middle - 5, top + span * 0.56, 25, 2.5 + span * 0.46, s < 0 ? '#ffe0c4' : '#f4c4a0', 0.5, s * 4)}
${glow(s * 80, lerp(-4, 0, shut), 13, 9, '#6b3120', 0.34, s * 30)}${glow(s * 36, lerp(-4, 0, shut), 11, 9, '#6b3120', 0.3)}
${line(curve(moved(crease, 0, 1)), '#6b3120', 4.5, 0.3 - 0.1 * shut, 1.5)}
<path d="${fold}" fill="#4f2116" fill-opacity="${num(0.66 - 0.3 * shut)}" ${blur(0.7)}/>
${line(curve(moved(crease, 0, -2.6)), '#f3c4a0', 2.4, 0.28, 1.5)}</g>
<g id="lower-lid-${name}">
${line(curve(moved(lower, 0, 1.1)), '#d99c86', 1.5, 0.75 * (1 - clamp(c)) + 0.12, 0.4)}
${line(curve(moved(lower, 0, 2.6).slice(3)), '#6a3326', 1.6, 0.42, 1)}
${line(curve(moved(lower, 0, 6.2).slice(1, 8)), '#f7cfae', 3, 0.28, 2)}
${line(curve(side(points('33,14 42,20 54,23.4 66,22'), s)), '#8c4c3a', 3, 0.12, 2)}</g>
<g id="lashes-${name}" fill="#1a0e0b">
${line(curve(moved(upper.slice(1), 0, 0.2)), '#1a0e0b', 3.4, 0.35, 1)}
<path d="${liner}" fill-opacity=".93"/>${lashes(s, upper, clamp(c), false)}${lashes(s, moved(lower, 0, 1.4), clamp(c), true)}</g>`;
}

/** Both eyes with their lids. */
export const eyesSvg = (eyes: Eyes): string =>
  `<g id="eyes">${eyeSvg(-1, eyes)}${eyeSvg(1, eyes)}${lidSvg(-1, eyes)}${lidSvg(1, eyes)}</g>`;
