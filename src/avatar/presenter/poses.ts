/** The poses of which there is a picture. A pose between them is a mix of its neighbours, so these lie close. */

import { neutralMouth, type FacePose, type MouthPose } from '../../units.js';

const OPEN = [0, 0.08, 0.17, 0.27, 0.38, 0.5, 0.63, 0.78, 0.95];

// From rounded to spread; how much of the teeth shows goes with it.
const SHAPES: Pick<MouthPose, 'width' | 'round' | 'teeth'>[] = [
  { width: -0.6, round: 1, teeth: 0.1 },
  { width: -0.45, round: 0.8, teeth: 0.2 },
  { width: -0.33, round: 0.6, teeth: 0.3 },
  { width: -0.22, round: 0.4, teeth: 0.4 },
  { width: -0.11, round: 0.2, teeth: 0.45 },
  { width: 0, round: 0, teeth: 0.5 },
  { width: 0.35, round: 0, teeth: 0.65 },
  { width: 0.7, round: 0, teeth: 0.8 },
];

const pose = (part: Partial<MouthPose>): MouthPose => ({ ...neutralMouth(), ...part });

/** Mouths, the neutral one first. */
export const MOUTHS: MouthPose[] = [
  neutralMouth(),
  ...OPEN.flatMap((open) =>
    SHAPES.filter((shape) => open > 0 || shape.width !== 0).map((shape) => pose({ open, ...shape })),
  ),
  ...[0.33, 0.66, 1].map((press) => pose({ press, teeth: 0.5 * (1 - press) })),
  ...[0.5, 1].map((tuck) => pose({ open: 0.08 / (1 - 0.5 * tuck), teeth: 0.5 + 0.5 * tuck, tuck })),
  // The tongue for th, d, l and n.
  ...[0.17, 0.27, 0.38].flatMap((open) => [0.5, 1].map((tongue) => pose({ open, teeth: 0.8, tongue }))),
  // Teeth close together for s, and with rounded lips for sh and ch.
  ...[0.08, 0.17].flatMap((open) => [
    pose({ open, width: 0.4, teeth: 1 }),
    pose({ open, width: -0.2, round: 0.5, teeth: 0.9 }),
  ]),
];

/** Eyes: the neutral pair first, a grid of gazes, then lids on their way down. */
export const EYES: FacePose['eyes'][] = [
  { x: 0, y: 0, close: 0 },
  ...[-1, 0, 1].flatMap((y) =>
    [-1, -0.5, 0, 0.5, 1].filter((x) => x !== 0 || y !== 0).map((x) => ({ x, y, close: 0 })),
  ),
  ...[0.2, 0.4, 0.6, 0.8, 1].map((close) => ({ x: 0, y: 0, close })),
  ...[-0.5, 0.5].flatMap((x) => [0.4, 0.8].map((close) => ({ x, y: 0, close }))),
];

/** Brows, the neutral pair first. */
export const BROWS: FacePose['brows'][] = [
  { raise: 0, frown: 0 },
  { raise: -0.5, frown: 0 },
  { raise: 0.5, frown: 0 },
  { raise: 1, frown: 0 },
  { raise: 0, frown: 0.5 },
  { raise: 0, frown: 1 },
  { raise: 0.5, frown: 0.5 },
  { raise: 1, frown: 0.5 },
  { raise: -0.5, frown: 1 },
];
