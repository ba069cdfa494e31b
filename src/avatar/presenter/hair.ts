/** The presenter's hair: where its sheets and locks lie. */

import { bell, points, smooth } from './geometry.js';
import { glow, line } from './paint.js';
import { flyaways, grow, hairline, lockSvg, sheet, wisps, type Lock, type Sheet, type Tone } from './strands.js';

// Caps: roots lie along the parting; the first guide is next to the face, the last the silhouette.
const LEFT: Sheet = [
  points('34,-130 8,-137 -28,-130 -62,-107 -92,-72 -112,-32 -127,6 -138,44 -144,84'),
  points('34,-140 6,-154 -38,-148 -80,-122 -109,-81 -128,-34 -142,12 -152,56 -156,100'),
  points('32,-156 2,-178 -49,-173 -94,-142 -125,-91 -143,-36 -155,16 -164,64 -166,112'),
  points('30,-176 -2,-196 -54,-190 -104,-156 -137,-101 -155,-42 -166,18 -174,72 -174,122'),
  points('29,-205 -4,-208.5 -60,-203 -112,-168 -147,-111 -166,-46 -176,20 -183,80 -182,132'),
];
const RIGHT: Sheet = [
  points('36,-130 56,-136 82,-124 104,-96 119,-54 128,-4 132,46 133,94'),
  points('36,-140 60,-153 92,-142 118,-107 134,-60 144,-2 148,54 148,106'),
  points('35,-156 58,-178 97,-166 129,-126 148,-68 158,-2 163,60 161,116'),
  points('32,-176 56,-197 99,-185 137,-141 159,-80 171,-6 175,62 172,124'),
  points('28.5,-205 54,-208.5 102,-198 144,-154 169,-92 180,-16 186,62 183,130'),
];
const BACK: Sheet = [
  points('-60,-150 -104,-60 -120,40 -112,130 -104,210 -112,280 -104,330'),
  points('0,-150 0,-40 0,60 0,150 0,210 0,250 0,280'),
  points('60,-150 104,-60 122,40 116,130 108,210 114,280 106,330'),
];

// Locks: [spine, half widths along it, tone offset].
const LOCKS_LEFT: Lock[] = [
  {
    spine: points('-140,-10 -134,56 -114,112 -102,170 -106,226 -112,272 -98,306'),
    half: [14, 22, 22, 21, 19, 13, 1.5],
    tone: -0.13,
  },
  {
    spine: points('-154,30 -164,84 -166,138 -160,190 -172,240 -182,286 -172,326 -146,346'),
    half: [6, 17, 21, 22, 22, 19, 12, 1.5],
    tone: -0.03,
  },
  {
    spine: points('-150,10 -154,74 -140,130 -126,184 -132,240 -148,290 -146,332 -120,358'),
    half: [10, 21, 23, 23, 22, 20, 13, 1.5],
    tone: 0.03,
  },
  {
    spine: points('-146,48 -150,96 -144,146 -138,196 -154,246 -168,288 -166,320 -148,336'),
    half: [3, 8, 11, 12, 12, 10, 6, 1],
    tone: 0.1,
  },
];
const LOCKS_RIGHT: Lock[] = [
  {
    spine: points('138,-10 130,60 110,120 101,178 104,232 112,280 98,318'),
    half: [14, 22, 21, 20, 19, 13, 1.5],
    tone: -0.12,
  },
  {
    spine: points('158,30 168,84 170,138 165,194 177,246 188,296 178,342 150,370'),
    half: [6, 17, 21, 22, 22, 20, 13, 1.5],
    tone: -0.02,
  },
  {
    spine: points('152,0 156,70 142,130 130,188 136,246 152,300 150,350 122,386'),
    half: [10, 22, 24, 23, 22, 20, 14, 1.5],
    tone: 0.01,
  },
  {
    spine: points('148,40 152,92 146,146 141,198 158,250 172,298 168,340 146,366'),
    half: [3, 8, 11, 12, 12, 11, 7, 1],
    tone: 0.06,
  },
];
// Curtain of shorter hair that frames the face; the left one is tucked behind the ear.
const FRAME_LEFT: Lock = {
  spine: points('34,-132 8,-140 -28,-130 -66,-106 -99,-68 -121,-27 -137,10 -152,44 -165,80'),
  half: [2, 9, 15, 16, 14, 12, 9, 7, 2],
  tone: 0.05,
};
const FRAME_RIGHT: Lock = {
  spine: points('36,-132 58,-136 86,-117 108,-78 120,-30 126,18 134,60 148,92'),
  half: [2, 9, 13, 13, 12, 10, 7, 1],
  tone: 0.03,
};

const leftTone: Tone = (s, t, v) =>
  0.28 -
  0.04 * v +
  0.4 * bell(t, 0.38 + 0.06 * (s - 0.5), 0.075) * (0.5 + 0.5 * bell(s, 0.45, 0.33)) +
  0.2 * bell(t, 0.17, 0.05) * bell(s, 0.35, 0.3) +
  0.12 * bell(t, 0.7, 0.08) +
  0.04 * smooth(0.8, 1, s) * smooth(0.4, 0.7, t) +
  0.06 * smooth(0.8, 0.96, s) * smooth(0.05, 0.2, t) * smooth(0.6, 0.4, t) -
  0.14 * smooth(0.08, 0, t) -
  0.1 * smooth(0.2, 0, s);
const rightTone: Tone = (s, t, v) =>
  0.19 -
  0.04 * v +
  0.28 * bell(t, 0.25, 0.055) * bell(s, 0.5, 0.35) +
  0.14 * bell(t, 0.5, 0.07) * bell(s, 0.4, 0.3) +
  0.1 * bell(t, 0.8, 0.08) +
  0.13 * smooth(0.84, 1.02, s) * smooth(0.12, 0.4, t) - // rim light
  0.14 * smooth(0.08, 0, t) -
  0.08 * smooth(0.16, 0, s);

const FRAME_IN_LEFT = [...grow(FRAME_LEFT)].reverse(),
  FRAME_IN_RIGHT = [...grow(FRAME_RIGHT)].reverse();

/** Behind neck and shoulders. */
export function hairBackSvg(): string {
  const dark: Tone = (s, t) => 0.08 + 0.08 * bell(t, 0.6, 0.2) + 0.12 * Math.abs(s - 0.5);
  return `<g id="hair-back"><path d="M-140-110C-176-20-172 90-164 180S-160 266-136 306L-90 330-60 300 60 300 100 330 136 306C160 266 166 236 164 180S176-20 140-110Z" fill="#100907"/>
${sheet(BACK, { seed: 3, clumps: 16, count: 300, tone: dark, width: 1.3, wave: 4, length: [0.3, 0.7], reach: [0.2, 1], ground: '#120a08' })}</g>`;
}

/** Long locks beside the neck, in front of the shoulders, behind ears and face. */
export const hairSideSvg = (): string =>
  `<g id="hair-side">${LOCKS_LEFT.map((l, i) => lockSvg(l, 20 + i, { key: 1 }) + wisps(l, 70 + i)).join('')}${LOCKS_RIGHT.map((l, i) => lockSvg(l, 30 + i, { key: 0.72 }) + wisps(l, 80 + i)).join('')}</g>`;

/** Over the face: both caps from the parting, the frame, fine hairs at the hairline. */
export function hairFrontSvg(): string {
  const frame = { density: 9, bands: [0.34, 0.7], taper: 0.3 };
  return `<g id="hair-front"><path d="M34-129C60-134 100-116 130-60L166-90C150-156 106-202 54-206L29-201-6-206C-58-200-110-166-145-111L-110-60C-80-110-20-134 34-129Z" fill="#1f110b"/>
${sheet(RIGHT, { seed: 41, clumps: 10, count: 1300, tone: rightTone, wave: 2, stray: 0.05, taper: 0.8, fray: 0.2, length: [0.14, 0.42] })}
${sheet(LEFT, { seed: 61, clumps: 11, count: 1500, tone: leftTone, wave: 2, stray: 0.05, taper: 0.8, fray: 0.2, length: [0.14, 0.42] })}
${line('M35-131Q32-160 29-199', '#0e0706', 3, 0.55, 1.5)}${line('M35-131Q32.4-152 30.4-172', '#9a6a50', 0.9, 0.4, 0.4)}
${lockSvg(FRAME_RIGHT, 52, { ...frame, key: 0.75 })}${lockSvg(FRAME_LEFT, 51, frame)}
${glow(-74, -142, 96, 52, '#ffcf9a', 0.16, -34)}
${hairline(grow(FRAME_LEFT), 91, 170, 1, 0.66)}${hairline(grow(FRAME_RIGHT), 92, 120, -1, 0.6)}
${flyaways(12, FRAME_IN_LEFT, 14, 1, [0.1, 0.6], ['#26140d', '#5d3723'])}${flyaways(13, FRAME_IN_RIGHT, 12, -1, [0.1, 0.6], ['#26140d', '#5d3723'])}
${flyaways(7, LEFT, 80, -1, [0.04, 0.8])}${flyaways(8, RIGHT, 80, 1, [0.04, 0.8])}</g>`;
}
