import { describe, expect, it } from 'vitest';
import { CHUNK_SAMPLES } from '../../src/units.js';
import { ManualSource, PlayerBench, samplesOf, settle } from '../support/player-bench.js';

/** An utterance of so many chunks that is in the player's hands. */
function say(bench: PlayerBench, key: number, chunks: number): ManualSource {
  const source = new ManualSource(key);
  source.push(chunks * CHUNK_SAMPLES);
  source.end();
  bench.player.enqueue(source.utterance);
  return source;
}

async function ticks(bench: PlayerBench, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await settle();
    bench.tick();
    bench.deliver();
  }
  await settle();
}

const heardOf = (bench: PlayerBench, { utterance }: ManualSource): number[] =>
  bench.heard.filter(({ id }) => id === utterance.id).map(({ start }) => start / CHUNK_SAMPLES);

describe('an utterance', () => {
  it('goes from queued to done, one after the other, with an event at its begin and its end', async () => {
    const bench = new PlayerBench();
    const [one, two] = [say(bench, 1, 3), say(bench, 2, 2)];
    expect(bench.player.current).toBeNull(); // no stage yet
    bench.attach();
    expect(bench.player.current).toMatchObject({ utterance: one.utterance, state: 'sending' });
    await ticks(bench, 1);
    expect(bench.player.current).toMatchObject({ state: 'draining' });
    expect(bench.player.pending).toEqual([two.utterance]);
    await bench.playOut();
    expect(bench.events).toEqual([
      { name: 'started', id: one.utterance.id, playedMs: 0, error: null },
      { name: 'ended', id: one.utterance.id, playedMs: 120, error: null },
      { name: 'started', id: two.utterance.id, playedMs: 0, error: null },
      { name: 'ended', id: two.utterance.id, playedMs: 80, error: null },
    ]);
    expect([heardOf(bench, one), heardOf(bench, two)]).toEqual([
      [0, 1, 2],
      [0, 1],
    ]);
  });

  it('that plays and those that wait go on when the stage is drained', async () => {
    const bench = new PlayerBench();
    bench.attach();
    const all = [say(bench, 1, 10), say(bench, 2, 2), say(bench, 3, 2)];
    await ticks(bench, 4);
    await bench.drain();
    expect(bench.player.current).toMatchObject({ state: 'resuming' });
    expect(bench.player.pending).toHaveLength(2);
    await bench.playOut();
    expect(bench.events.filter(({ name }) => name === 'ended').map(({ playedMs }) => playedMs)).toEqual([400, 80, 80]);
    expect(heardOf(bench, all[0]!)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('whose source is silent when its stage dies loses nothing of what comes later', async () => {
    const bench = new PlayerBench();
    bench.attach();
    const source = new ManualSource(1);
    bench.player.enqueue(source.utterance);
    source.push(2 * CHUNK_SAMPLES);
    await ticks(bench, 4);
    bench.kill();
    bench.attach();
    await settle();
    source.push(3 * CHUNK_SAMPLES);
    source.end();
    await bench.playOut();
    expect(heardOf(bench, source)).toEqual([0, 1, 2, 3, 4]);
  });

  it('of a live source goes on with what comes while its stage is away', async () => {
    const bench = new PlayerBench();
    bench.attach();
    const source = new ManualSource(1, 'drop-oldest');
    bench.player.enqueue(source.utterance);
    source.push(3 * CHUNK_SAMPLES);
    await ticks(bench, 4);
    bench.kill();
    source.push(2 * CHUNK_SAMPLES);
    source.end();
    await bench.playOut();
    expect(heardOf(bench, source)).toEqual([0, 1, 2, 3, 4]);
    expect(bench.events.at(-1)).toMatchObject({ name: 'ended', playedMs: 200 });
  });

  it('whose voice fails is heard as far as it got, and says why it ended', async () => {
    const bench = new PlayerBench();
    bench.attach();
    const source = new ManualSource(1);
    source.push(3 * CHUNK_SAMPLES);
    source.end(new Error('the voice is gone'));
    bench.player.enqueue(source.utterance);
    const next = say(bench, 2, 1);
    await bench.playOut();
    expect(heardOf(bench, source)).toEqual([0, 1, 2]);
    expect(bench.events.filter(({ name }) => name === 'ended')).toEqual([
      { name: 'ended', id: source.utterance.id, playedMs: 120, error: 'internal' },
      { name: 'ended', id: next.utterance.id, playedMs: 40, error: null },
    ]);
  });

  it('that finds no place is refused and closed', () => {
    const bench = new PlayerBench({}, 1);
    say(bench, 1, 1);
    const refused = new ManualSource(2);
    expect(() => bench.player.enqueue(refused.utterance)).toThrow(expect.objectContaining({ code: 'queue_full' }));
    expect(bench.player.pending).toHaveLength(1);
  });
});

describe('an interrupt', () => {
  it('fades out what is heard, and the first chunk of what comes next follows whole', async () => {
    const bench = new PlayerBench();
    bench.attach();
    const old = say(bench, 1, 20);
    await ticks(bench, 3);
    const before = bench.sent.length;
    const report = bench.interrupt();
    const next = say(bench, 2, 3);
    expect(await report).toEqual({ utteranceId: old.utterance.id, playedMs: 120, dropped: [] });
    await bench.playOut();
    const { id } = next.utterance;
    expect(bench.sent.slice(before, before + 4)).toEqual(['fade', id, id, id]);
    expect(bench.heard.find((heard) => heard.id === id)?.samples).toEqual(samplesOf(2, 0, CHUNK_SAMPLES));
  });

  it('has an event for each that waited, and names them', async () => {
    const bench = new PlayerBench();
    bench.attach();
    const [playing, ...waiting] = [say(bench, 1, 20), say(bench, 2, 1), say(bench, 3, 1)];
    await ticks(bench, 2);
    const ids = waiting.map(({ utterance }) => utterance.id);
    expect(await bench.interrupt()).toEqual({ utteranceId: playing.utterance.id, playedMs: 80, dropped: ids });
    const interrupted = bench.events.filter(({ name }) => name === 'interrupted');
    expect(interrupted.map(({ id, playedMs }) => [id, playedMs])).toEqual([
      [ids[0], 0],
      [ids[1], 0],
      [playing.utterance.id, 80],
    ]);
    expect(await bench.interrupt()).toEqual({ utteranceId: null, playedMs: 0, dropped: [] });
  });

  it('asked for twice at once is one', async () => {
    const bench = new PlayerBench();
    bench.attach();
    const { utterance } = say(bench, 1, 20);
    await ticks(bench, 2);
    const [one, two] = await Promise.all([bench.interrupt(), bench.interrupt()]);
    expect([one.utteranceId, two.utteranceId]).toEqual([utterance.id, utterance.id]);
    expect(bench.events.filter(({ name }) => name === 'interrupted')).toHaveLength(1);
  });

  it('while the stage is away says what was heard, and nothing of it comes back', async () => {
    const bench = new PlayerBench();
    bench.attach();
    const { utterance } = say(bench, 1, 20);
    await ticks(bench, 5);
    bench.kill();
    expect(await bench.interrupt()).toEqual({ utteranceId: utterance.id, playedMs: 200, dropped: [] });
    await bench.playOut();
    await ticks(bench, 3);
    expect(bench.sent.slice(5)).toEqual(Array.from({ length: bench.sent.length - 5 }, () => 'silence'));
  });

  it('comes to each when the session ends', async () => {
    const bench = new PlayerBench();
    bench.attach();
    say(bench, 1, 20);
    say(bench, 2, 20);
    await ticks(bench, 2);
    bench.player.close();
    bench.player.close();
    expect(bench.events.filter(({ name }) => name === 'interrupted').map(({ playedMs }) => playedMs)).toEqual([0, 80]);
  });
});

describe('live sound', () => {
  const live = (bench: PlayerBench): ManualSource => {
    const source = new ManualSource(1, 'drop-oldest');
    bench.player.enqueue(source.utterance);
    return source;
  };

  it('that comes faster than it is played loses its oldest chunks, and that is counted', async () => {
    const bench = new PlayerBench();
    bench.attach();
    const source = live(bench);
    source.push(8 * CHUNK_SAMPLES);
    source.end();
    await bench.playOut();
    expect(heardOf(bench, source)).toEqual([5, 6, 7]);
    expect(bench.droppedSamples).toBe(5 * CHUNK_SAMPLES);
  });

  it('with a jitter buffer survives a source that delivers unevenly, at the price of its delay', async () => {
    const play = async (jitterBufferMs: number): Promise<[heard: number, dropped: number, gaps: number]> => {
      const bench = new PlayerBench({ jitterBufferMs });
      bench.attach();
      const source = live(bench);
      // Exact on average, in bursts of five chunks.
      for (let burst = 0; burst < 10; burst++) {
        source.push(5 * CHUNK_SAMPLES);
        await ticks(bench, 5);
      }
      source.end();
      await bench.playOut();
      const heard = bench.sent.lastIndexOf(source.utterance.id);
      const first = bench.sent.indexOf(source.utterance.id);
      const gaps = bench.sent.slice(first, heard).filter((sent) => sent === 'silence').length;
      return [heardOf(bench, source).length, bench.droppedSamples / CHUNK_SAMPLES, gaps];
    };
    expect(await play(0)).toEqual([30, 20, 18]);
    expect(await play(240)).toEqual([50, 0, 0]);
  });

  it('with a jitter buffer goes back to its delay when it has twice as much', async () => {
    const bench = new PlayerBench({ jitterBufferMs: 200 });
    bench.attach();
    const source = live(bench);
    for (let i = 0; i < 30; i++) source.push(CHUNK_SAMPLES);
    source.end();
    await bench.playOut();
    const kept = heardOf(bench, source);
    expect(kept.at(-1)).toBe(29);
    expect(kept.length + bench.droppedSamples / CHUNK_SAMPLES).toBe(30);
    expect(kept.length).toBeLessThanOrEqual(10);
  });
});
