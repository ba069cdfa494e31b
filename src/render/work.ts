/** Seconds of one core that a second of each work takes; only their relation counts. */
export const WORK = { checkClip: 0.02, prepareSecond: 0.007, stillSecond: 0.012, avatarSecond: 0.2, fullSecond: 0.011 };
