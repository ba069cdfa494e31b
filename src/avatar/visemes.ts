import type { MouthPose, Viseme } from '../units.js';

/** Shorthand for the table: open, width, round, teeth, tongue, press, tuck. */
type Row = [number, number, number, number, number, number, number];

const ROWS: Record<Viseme, Row> = {
  sil: [0, 0, 0, 0.5, 0, 0, 0],
  PP: [0, 0, 0, 0, 0, 1, 0],
  FF: [0.12, 0, 0, 1, 0, 0, 1],
  TH: [0.22, 0, 0, 0.8, 1, 0, 0],
  DD: [0.22, 0.1, 0, 0.8, 0.5, 0, 0],
  kk: [0.28, 0.1, 0, 0.5, 0.2, 0, 0],
  CH: [0.15, -0.2, 0.5, 0.9, 0, 0, 0],
  SS: [0.12, 0.4, 0, 1, 0, 0, 0],
  nn: [0.18, 0.1, 0, 0.7, 0.5, 0, 0],
  RR: [0.2, -0.2, 0.4, 0.5, 0.2, 0, 0],
  aa: [0.85, 0, 0, 0.5, 0, 0, 0],
  E: [0.45, 0.5, 0, 0.7, 0, 0, 0],
  ih: [0.28, 0.7, 0, 0.8, 0, 0, 0],
  oh: [0.5, -0.3, 0.7, 0.2, 0, 0, 0],
  ou: [0.22, -0.6, 1, 0.1, 0, 0, 0],
};

function poseOf([open, width, round, teeth, tongue, press, tuck]: Row): MouthPose {
  return { open, width, round, teeth, tongue, press, tuck };
}

/**
 * The mouth at the height of each viseme, spoken clearly. A starting point: whoever drives the mouth scales it by
 * loudness and smooths between neighbours. Read only: the objects are shared.
 */
export const VISEME_POSES: Readonly<Record<Viseme, Readonly<MouthPose>>> = Object.freeze(
  Object.fromEntries(Object.entries(ROWS).map(([viseme, row]) => [viseme, Object.freeze(poseOf(row))])) as Record<
    Viseme,
    MouthPose
  >,
);
