import { expect, it } from 'vitest';
import { chaos } from '../fuzz/chaos.js';
import { ATTACKS, fuzz, type AttackName } from '../fuzz/fuzz.js';

const say = (): void => undefined;

/** Here it is always the same: `npm run fuzz` goes on for as long as one likes. */
it('withstands five seconds of every kind of attack, and its viewer loses nothing', { timeout: 60_000 }, async () => {
  const only = Object.keys(ATTACKS) as AttackName[];
  const { faults, figures } = await fuzz({ forMs: 5000, seed: 1, only, limitMs: 20_000, say });
  console.log(figures.join('\n')); // what was not judged, too
  expect(faults).toEqual([]);
});

it(
  'loses nothing that it accepted while its children are killed, and leaves nothing behind',
  { timeout: 120_000 },
  async () => {
    const { faults, figures } = await chaos({ forMs: 3000, seed: 5, say });
    console.log(figures.join('\n'));
    expect(faults).toEqual([]);
  },
);
