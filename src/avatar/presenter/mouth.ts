/** Draws the mouth of a pose, and the shadows on the skin around it. */

import type { MouthPose } from '../../units.js';
import { along, blend, clamp, lerp, moved, random, smooth, type Point } from './geometry.js';
import { jawDrop, jawShift } from './jaw.js';
import { CENTRE_Y, LAST, MID, SMILE, lipEdges, yAt, type LipEdges } from './lips.js';
import { between, blur, curve, glow, line, num, tapered } from './paint.js';

/** Gradients; put once into <defs>. */
export function mouthDefs(): string {
  return `<linearGradient id="lip-upper" x2="0" y2="1"><stop offset="0" stop-color="#c67c68"/><stop offset=".5" stop-color="#b45f50"/><stop offset="1" stop-color="#8d3f3a"/></linearGradient>
<linearGradient id="lip-lower" x2="0" y2="1"><stop offset="0" stop-color="#a84f48"/><stop offset=".38" stop-color="#cf7c6d"/><stop offset=".7" stop-color="#c67262"/><stop offset="1" stop-color="#ac5e4a"/></linearGradient>
<linearGradient id="lip-side"><stop offset="0" stop-color="#ffd2b8" stop-opacity=".1"/><stop offset=".5" stop-color="#5a1c1c" stop-opacity="0"/><stop offset="1" stop-color="#3c0f12" stop-opacity=".36"/></linearGradient>
<radialGradient id="mouth-cavity" cx=".5" cy=".42" r=".62"><stop offset="0" stop-color="#1a070b"/><stop offset=".5" stop-color="#351013"/><stop offset="1" stop-color="#6a2b26"/></radialGradient>
<linearGradient id="teeth-arch"><stop offset="0" stop-color="#4a2a22" stop-opacity="0"/><stop offset=".1" stop-color="#8d7164" stop-opacity=".75"/><stop offset=".2" stop-color="#c4afa0"/><stop offset=".34" stop-color="#ece0d3"/><stop offset=".46" stop-color="#fbf4ea"/><stop offset=".6" stop-color="#f1e6da"/><stop offset=".76" stop-color="#cbb9ab"/><stop offset=".9" stop-color="#846a5e" stop-opacity=".75"/><stop offset="1" stop-color="#45291f" stop-opacity="0"/></linearGradient>
<linearGradient id="tongue-body" x2="0" y2="1"><stop offset="0" stop-color="#cf7f74"/><stop offset=".4" stop-color="#b55d57"/><stop offset="1" stop-color="#752e30"/></linearGradient>`;
}

/** The dark of the mouth, lower teeth and resting tongue: behind the lower lip. */
function cavitySvg(p: MouthPose, e: LipEdges): string {
  if (e.gap < 0.4) return '';
  const { innerU, innerL, half, gap } = e,
    opening = between(innerU, innerL);
  const floor = innerL[MID]![1],
    roof = innerU[MID]![1];
  const lowTop = floor - clamp((gap - 8) / 14) * (4.8 + 2 * Math.max(0, p.width)) - 0.4;
  const lowTeeth =
    gap > 8
      ? `<path d="M${num(-half * 0.56)} ${num(floor + 4)}Q${num(-half * 0.5)} ${num(lowTop + 1)} 0 ${num(lowTop)}Q${num(half * 0.5)} ${num(lowTop + 1)} ${num(half * 0.56)} ${num(floor + 4)}z" fill="#cfbbad" fill-opacity="${num(0.5 * clamp((gap - 8) / 8))}" ${blur(0.7)}/>`
      : '';
  const top = floor - gap * (0.36 + 0.08 * p.open + 0.2 * p.tongue),
    tw = Math.min(half * 0.74, 31),
    low = floor + 3;
  const tongue = `<path d="M${num(-tw)} ${num(low)}C${num(-tw)} ${num(top + 1)} ${num(-tw * 0.6)} ${num(top)} 0 ${num(top + gap * 0.05)}C${num(tw * 0.6)} ${num(top)} ${num(tw)} ${num(top + 1)} ${num(tw)} ${num(low)}z" fill="url(#tongue-body)" ${blur(1)}/>
${line(`M0 ${num(top + 2)}L0 ${num(floor + 3)}`, '#642529', 3, 0.34, 1.5)}
${glow(-tw * 0.34, lerp(top, floor, 0.34) + 1, tw * 0.5, Math.max(1.6, gap * 0.13), '#ffd9cb', 0.36)}
${line(curve(moved(innerL, 0, -0.5)), '#1f070a', 2 + gap * 0.14, 0.6, 1.5)}`;
  return `<clipPath id="mouth-opening"><path d="${opening}"/></clipPath>
<g opacity="${num(smooth(0.4, 3, gap))}"><path d="${opening}" fill="#2f0d10" stroke="#3b1014" stroke-width="1"/>
<g clip-path="url(#mouth-opening)"><rect x="${num(-half - 4)}" y="${num(roof - 3)}" width="${num(half * 2 + 8)}" height="${num(floor - roof + 6)}" fill="url(#mouth-cavity)"/>
${lowTeeth}${tongue}${line(curve(innerU), '#0d0306', 4 + gap * 0.3, 0.5, 3)}</g></g>`;
}

/** How far the tip of the tongue is out, for th. */
const tipOf = (p: MouthPose, e: LipEdges): number => smooth(0.3, 1, p.tongue) * smooth(1, 5, e.gap);

/** The tip of the tongue for th: over the lower lip's edge, under the upper teeth. */
function tongueTipSvg(p: MouthPose, e: LipEdges): string {
  const tip = tipOf(p, e);
  if (tip < 0.01) return '';
  const floor = e.innerL[MID]![1];
  const top = lerp(floor, e.innerU[MID]![1] + 1.5, tip);
  const [w, low] = [Math.min(e.half * 0.52, 22), floor + 4.2 * tip];
  const at = (x: number, y: number): string => `${num(w * x)} ${num(y)}`;
  return `<g opacity="${num(smooth(0, 0.4, tip))}"><path d="M${at(-0.98, floor)}Q0 ${num(low + 5)} ${at(0.98, floor)}" fill="#4a1518" fill-opacity=".5" ${blur(1)}/>
<path d="M${at(-1, floor - 0.6)}C${at(-1, top)} ${at(-0.5, top)} ${at(0, top)}C${at(0.5, top)} ${at(1, top)} ${at(1, floor - 0.6)}C${at(0.86, low + 1)} ${at(-0.86, low + 1)} ${at(-1, floor - 0.6)}z" fill="#e0958a" ${blur(0.7)}/>
${line(`M${at(-0.8, floor + 1.6 * tip)}Q0 ${num(low + 1)} ${at(0.8, floor + 1.6 * tip)}`, '#8d3c3b', 1.6, 0.42, 0.7)}
${line(`M0 ${num(top + 2)}L0 ${num(low - 1.6)}`, '#9d4a48', 1.4, 0.3, 0.7)}
${glow(-w * 0.3, lerp(top, low, 0.62), w * 0.55, 2.4, '#fff0e8', 0.75)}${glow(0, top + 1, w, 3, '#5d2023', 0.6)}</g>`;
}

/** The upper teeth: they stay with the skull, in front of the lower lip for f and v. */
function teethSvg(p: MouthPose, e: LipEdges): string {
  const { innerU, innerL, half, gap } = e,
    roof = innerU[MID]![1];
  const opacity = smooth(0.8, 4, gap) * smooth(0, 0.12, p.teeth);
  if (opacity <= 0.01) return `<g id="mouth-teeth"/>`;
  const incisal = lerp(CENTRE_Y - 1.6, CENTRE_Y + 5.4, p.teeth) - 0.4 * p.open - 2.2 * tipOf(p, e);
  const reach = Math.min(half * 0.93, 42);
  const edge = (x: number): number => incisal - 3.2 * Math.pow(Math.abs(x) / 36, 2);
  const tops: Point[] = [];
  const bottoms: Point[] = [];
  for (let k = -14; k <= 14; k++) {
    const x = (k / 14) * reach + 0.4,
      u = k / 14,
      top = yAt(innerU, x);
    tops.push([x, top - 2]);
    bottoms.push([x, Math.max(top - 0.5, Math.min(edge(x), yAt(innerL, x) + 1.8 * p.tuck * (1 - u * u)))]);
  }
  const band = between(tops, bottoms);
  const seams = [0.3, -8.5, 9, -15.8, 16.2, -22, 22.5, -27, 27.4]
    .filter((x) => Math.abs(x) < reach * 0.86)
    .map((x) => `M${num(x)} ${num(edge(x) + 0.4)}L${num(x * 0.985)} ${num(roof - 3)}`)
    .join('');
  return `<g id="mouth-teeth" opacity="${num(opacity)}"><clipPath id="mouth-teeth-clip"><path d="${band}"/></clipPath>
<path d="${curve(moved(bottoms, 0, 1.4))}" fill="none" stroke="#1d070a" stroke-width="2.4" stroke-opacity="${num(0.5 * (1 - p.tuck))}" ${blur(1)} clip-path="url(#mouth-opening)"/>
<g clip-path="url(#mouth-teeth-clip)"><path d="${band}" fill="url(#teeth-arch)"/>
<path d="${seams}" stroke="#8a6a5a" stroke-width=".6" stroke-opacity=".26" fill="none" ${blur(0.4)}/>
${line(curve(moved(innerU, 0, 0.8)), '#3f1716', 3.4 + 2.6 * p.open, 0.5, 1.5)}
${line(curve(moved(bottoms, 0, -0.3)), '#93a3ab', 1.1, 0.32, 0.4)}</g></g>`;
}

function wrinkles(e: LipEdges, upper: boolean): string {
  const r = random(upper ? 3 : 9),
    [a, b] = upper ? [e.outerU, e.innerU] : [e.innerL, e.outerL];
  let [dark, light] = ['', ''];
  for (let i = 0; i < 76; i++) {
    const t = clamp(0.5 + r.normal() * 0.26, 0.04, 0.96);
    const pa = along(a, t),
      pb = along(b, t);
    const lean = (t - 0.5) * (upper ? 5 : 9);
    const [q0, q1] = upper ? [r.range(0.25, 0.6), 1] : [0, r.range(0.25, 0.7)];
    const at = (q: number): Point => [lerp(pa[0], pb[0], q) + lean * (upper ? q - 1 : q * q), lerp(pa[1], pb[1], q)];
    const [s, m, z] = [at(q0), at((q0 + q1) / 2), at(q1)];
    const hair = `M${num(s[0])} ${num(s[1])}Q${num(m[0] + r.range(-0.4, 0.4))} ${num(m[1])} ${num(z[0])} ${num(z[1])}`;
    if (i % 3) dark += hair;
    else light += hair;
  }
  return `${line(dark, '#6d2528', 0.45, 0.13, 0.4, 'round')}${line(light, '#ffd0bf', 0.45, 0.14, 0.4, 'round')}`;
}

/** Where the light lies on the chin. */
const chinShineY = (p: MouthPose, low: number): number => Math.max(low + 25, jawShift([0, 162], jawDrop(p))[1] - 2);

/** The skin around the lips: shadows that belong to the mouth, drawn before the lips. */
function jawSvg(p: MouthPose, e: LipEdges): string {
  const { outerL, outerU } = e;
  const low = outerL[MID]![1],
    corners = [e.innerU[0]!, e.innerU[LAST]!];
  const under = moved(outerL.slice(4, 17), 0, 3.2 - 0.6 * p.press);
  return `<g id="jaw">${line(curve(under), '#7a3a29', 6.4 + 2 * p.round, 0.4 + 0.12 * p.tuck, 3, 'round')}
${line(curve(moved(outerL.slice(7, 14), 0, 1.4)), '#6a2e22', 2.2, 0.34, 1.5, 'round')}
${line(curve(moved(outerU.slice(5, 16), 0, -2.2)), '#ffe3c9', 2.2, 0.42 - 0.1 * p.press, 1, 'round')}
<ellipse cx="0.4" cy="${num(lerp(outerU[MID]![1], 86, 0.42))}" rx="3.2" ry="7" fill="#9a5540" fill-opacity=".3" ${blur(2)}/>
<ellipse cx="-7.6" cy="${num(lerp(outerU[8]![1], 88, 0.4))}" rx="2.4" ry="6.5" fill="#ffe2c8" fill-opacity=".34" ${blur(2)}/>
${corners
  .map(([x, y], i) => {
    const s = i ? 1 : -1,
      spread = Math.max(0, p.width);
    return `${line(`M${num(x - s * 2)} ${num(y - 0.4)}Q${num(x + s * 2)} ${num(y - 1.2 - 1.4 * SMILE)} ${num(x + s * (3.4 + 2 * spread))} ${num(y - 3.4 - 2 * SMILE)}`, '#6b2f22', 2.2, 0.32 + 0.2 * spread + 0.1 * p.press, 1, 'round')}
<ellipse cx="${num(x + s * 3)}" cy="${num(y + 3)}" rx="6.5" ry="7.5" fill="#8a4430" fill-opacity="${num(0.24 + 0.06 * i)}" ${blur(3)}/>
${line(`M${num(s * (33 + 2 * spread))} 74Q${num(s * (47 + 5 * spread))} 90 ${num(x + s * (9 + 2 * spread))} ${num(y + 2)}`, '#8a4631', 4, 0.13 + 0.2 * spread + 0.07 * i + 0.04 * SMILE, 3, 'round')}`;
  })
  .join('')}
${p.round > 0.02 ? `${line(between(moved(outerU, 0, -3), moved(outerL, 0, 3)), '#7a3a29', 7, 0.26 * p.round, 4)}` : ''}
<ellipse cx="-6" cy="${num(chinShineY(p, low))}" rx="15" ry="8" fill="#ffdfc4" fill-opacity=".3" ${blur(6)}/></g>`;
}

/** The mouth with its surrounding shading, as an SVG fragment in face coordinates. */
export function mouthSvg(p: MouthPose): string {
  const e = lipEdges(p);
  const { outerU, innerU, innerL, outerL } = e;
  const upper = between(outerU, innerU),
    lower = between(innerL, outerL),
    whole = between(outerU, outerL);
  const glossY = lerp(innerL[8]![1], outerL[8]![1], 0.42);
  const shine = (1 - 0.5 * p.press) * (1 - 0.3 * p.tuck);
  const w = e.half / 46;
  return `<g id="mouth">${jawSvg(p, e)}
<path d="${whole}" fill="#a9584c" fill-opacity=".5" ${blur(1.5)}/><path d="${whole}" fill="#a9584c" fill-opacity=".8" ${blur(0.7)}/>
<clipPath id="mouth-upper"><path d="${upper}"/></clipPath><clipPath id="mouth-lower"><path d="${lower}"/></clipPath>
${cavitySvg(p, e)}
<g id="mouth-lip-lower"><path d="${lower}" fill="url(#lip-lower)" ${blur(0.7)}/><g clip-path="url(#mouth-lower)">
${line(curve(moved(outerL, 0, -0.6)), '#8d4036', 3.2, 0.5, 1.5)}
${line(curve(moved(innerL, 0, 0.4)), '#5b1d22', 3.4 + 1.2 * p.tuck, 0.5 + 0.2 * p.tuck, 1.5)}
${wrinkles(e, false)}<path d="${lower}" fill="url(#lip-side)"/>
<ellipse cx="${num(-11 * w)}" cy="${num(glossY)}" rx="${num(11.5 * w)}" ry="2.5" fill="#ffe6da" fill-opacity="${num(0.6 * shine)}" transform="rotate(4 ${num(-11 * w)} ${num(glossY)})" ${blur(1.5)}/>
<ellipse cx="${num(-9 * w)}" cy="${num(glossY - 0.5)}" rx="${num(6 * w)}" ry="1" fill="#fff6ef" fill-opacity="${num(0.6 * shine)}" transform="rotate(4 ${num(-9 * w)} ${num(glossY)})" ${blur(0.7)}/>
<ellipse cx="${num(14 * w)}" cy="${num(glossY + 0.8)}" rx="${num(6 * w)}" ry="1.5" fill="#ffdccf" fill-opacity="${num(0.3 * shine)}" ${blur(1)}/></g></g>
${tongueTipSvg(p, e)}${teethSvg(p, e)}
<g id="mouth-lip-upper"><path d="${upper}" fill="url(#lip-upper)" ${blur(0.7)}/><g clip-path="url(#mouth-upper)">
${line(curve(moved(innerU, 0, -0.6)), '#5d1d24', 3.6, 0.45, 1.5)}
${wrinkles(e, true)}<path d="${upper}" fill="url(#lip-side)"/>
${line(curve(blend(outerU, innerU, 0.3).slice(5, 10)), '#ffd3c1', 2.6, 0.26, 1.5)}
<ellipse cx="-1" cy="${num(lerp(outerU[MID]![1], innerU[MID]![1], 0.66))}" rx="4.2" ry="2" fill="#e9a394" fill-opacity=".42" ${blur(1)}/></g></g>
<path d="${tapered(innerU, (t) => lerp(2, 0.9, smooth(0, 5, e.gap)) * Math.pow(Math.sin(Math.PI * (0.02 + 0.96 * t)), 0.4))}" fill="#471519" fill-opacity="${num(lerp(0.82, 0.5, smooth(0, 5, e.gap)))}" ${blur(0.4)}/>
${line(`${curve(moved(innerU.slice(0, 4), 0, 0.2))}${curve(moved(innerU.slice(17), 0, 0.2))}`, '#3d1013', 1.8, 0.45, 1)}
</g>`;
}

/** What `mouthSvg` paints on lies within this, in face coordinates. */
export function mouthReach(p: MouthPose): { x0: number; y0: number; x1: number; y1: number } {
  const { outerU, outerL } = lipEdges(p);
  const side = Math.max(64, outerU[LAST]![0]) + 26;
  return { x0: -side, y0: 60, x1: side, y1: chinShineY(p, outerL[MID]![1]) + 30 };
}
