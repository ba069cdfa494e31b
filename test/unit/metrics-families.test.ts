import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { FollowingCounter, FreshGauge } from '../../src/server/metrics/families.js';

const seriesOf = async (register: Registry) =>
  (await register.metrics()).split('\n').filter((line) => line && !line.startsWith('#'));

describe('a counter that follows counts kept elsewhere', () => {
  it('never falls: a count that began anew goes on from before', async () => {
    const register = new Registry();
    const counter = new FollowingCounter(register, 'things_total', 'Things.', ['stage']);
    for (const value of [5, 9, 9, 2, 3]) counter.follow({ stage: '0' }, value);
    expect(await seriesOf(register)).toEqual(['dh_live_things_total{stage="0"} 12']);
  });

  it('sums the parts of a series, and keeps what a part that left has counted', async () => {
    const register = new Registry();
    const counter = new FollowingCounter(register, 'sent_total', 'Sent.', ['session']);
    const main = { session: 'main' };
    counter.follow(main, 100, 'viewer a');
    counter.follow(main, 30, 'viewer b');
    counter.keepParts(main, new Set(['viewer b']));
    counter.follow(main, 40, 'viewer b');
    counter.follow(main, 7, 'viewer a'); // the same name again is somebody new
    expect(await seriesOf(register)).toEqual(['dh_live_sent_total{session="main"} 147']);
  });

  it('is gone with its session, and begins at nothing when there is one of that name again', async () => {
    const register = new Registry();
    const counter = new FollowingCounter(register, 'warnings_total', 'Warnings.', ['session', 'code']);
    counter.add({ session: 'a', code: 'x' });
    counter.add({ session: 'a', code: 'y' });
    counter.add({ session: 'b', code: 'x' });
    counter.remove({ session: 'a' });
    expect(await seriesOf(register)).toEqual(['dh_live_warnings_total{session="b",code="x"} 1']);
    counter.follow({ session: 'a', code: 'x' }, 3);
    expect(await seriesOf(register)).toContain('dh_live_warnings_total{session="a",code="x"} 3');
  });
});

it('a gauge shows only what was set since the last scrape', async () => {
  const register = new Registry();
  const plain = new FreshGauge(register, 'limit_bytes', 'Limit.');
  const labelled = new FreshGauge(register, 'rss_bytes', 'Memory.', ['process']);
  labelled.set({ process: 'a' }, 1);
  labelled.reset();
  plain.reset();
  expect(await seriesOf(register)).toEqual([]);
  labelled.set({ process: 'b' }, 2);
  labelled.set({ process: 'c' }, null);
  plain.set({}, 5);
  expect(await seriesOf(register)).toEqual(['dh_live_limit_bytes 5', 'dh_live_rss_bytes{process="b"} 2']);
});
