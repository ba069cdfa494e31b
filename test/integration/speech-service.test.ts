import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EMBEDDED_VOICES } from '../../src/speech/embedded-voices.js';
import { EspeakEngine } from '../../src/speech/espeak-engine.js';
import { ESPEAK_VOICES } from '../../src/speech/espeak-voices.js';
import { FliteEngine } from '../../src/speech/flite-engine.js';
import { SpeechService } from '../../src/speech/speech-service.js';
import type { SpeechPiece, VisemeCue } from '../../src/units.js';

interface Spoken {
  pieces: SpeechPiece[];
  cues: VisemeCue[];
  lengthMs: number;
}

async function say(service: SpeechService, text: string, voice?: string): Promise<Spoken> {
  const pieces: SpeechPiece[] = [];
  for await (const piece of service.speak(service.plan({ text, voice }))) pieces.push(piece);
  return {
    pieces,
    cues: pieces.flatMap(({ cues }) => cues ?? []),
    lengthMs: pieces.reduce((sum, { pcm, sampleRateHz }) => sum + (pcm.length * 1000) / sampleRateHz, 0),
  };
}

/** Root mean square between two times of an utterance, full scale 1. */
function rms({ pieces }: Spoken, fromMs: number, toMs: number): number {
  let sum = 0;
  let count = 0;
  let startMs = 0;
  for (const { pcm, sampleRateHz } of pieces) {
    const at = (ms: number) => Math.min(pcm.length, Math.max(0, Math.round(((ms - startMs) * sampleRateHz) / 1000)));
    for (let i = at(fromMs); i < at(toMs); i += 1) {
      sum += ((pcm[i] ?? 0) / 32_768) ** 2;
      count += 1;
    }
    startMs += (pcm.length * 1000) / sampleRateHz;
  }
  return count === 0 ? 0 : Math.sqrt(sum / count);
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

describe('the embedded voices', () => {
  let service: SpeechService;
  beforeAll(async () => {
    service = new SpeechService();
    await service.ready();
  });
  afterAll(() => service.close());

  it.each([
    ['Papa bought a bigger cap. Bob put a puppet up. Peter, stop the bus.', 'slt'],
    ['Papa bought a bigger cap. Bob put a puppet up. Peter, stop the bus.', 'rms'],
    ['Papa bought a bigger cap. Bob put a puppet up. Peter, stop the bus.', 'awb'],
    ['Papa bought a bigger cap. Bob put a puppet up. Peter, stop the bus.', 'espeak-en-us'],
    ['Papa hat eine Mappe. Bob und Paul haben ein Problem. Am Abend kommt Opa.', 'espeak-de'],
    ['爸爸跑步。妈妈不怕胖。我们八点半吃包子。', 'espeak-cmn'],
  ])('%s: cues of %s follow the sound', async (text, voice) => {
    const spoken = await say(service, text, voice);
    const { cues, lengthMs } = spoken;
    expect(spoken.pieces.length).toBe(3);
    expect(cues[0]?.startMs).toBe(0);
    for (const [i, cue] of cues.entries()) {
      expect(cue.endMs).toBeGreaterThan(cue.startMs);
      if (i > 0) expect(cue.startMs).toBeCloseTo(cues[i - 1]?.endMs ?? -1, 6);
    }
    expect(cues.at(-1)?.endMs).toBeCloseTo(lengthMs, 1);
    const loudness = (viseme: string) =>
      median(cues.filter((cue) => cue.viseme === viseme).map((cue) => rms(spoken, cue.startMs, cue.endMs)));
    expect(loudness('PP')).toBeLessThan(0.6 * loudness('aa'));
    expect(loudness('sil')).toBeLessThan(0.05 * loudness('aa'));
  });

  it('starts with sound at once and pauses between sentences', async () => {
    for (const voice of ['slt', 'awb', 'espeak-en-us']) {
      const spoken = await say(service, 'Good morning. Good evening.', voice);
      expect(rms(spoken, 0, 80)).toBeGreaterThan(0.003);
      const pauses = spoken.cues.filter(({ viseme, startMs, endMs }) => viseme === 'sil' && endMs - startMs > 200);
      expect(pauses).toHaveLength(1);
      expect((pauses[0]?.endMs ?? 0) - (pauses[0]?.startMs ?? 0)).toBeLessThan(400);
    }
  });

  it('are about equally loud', async () => {
    const levels: number[] = [];
    for (const voice of ['slt', 'rms', 'awb', 'kal16', 'espeak-en-us', 'espeak-de', 'espeak-fr']) {
      const spoken = await say(service, 'Many people are living in a larger house than you and me.', voice);
      const vowels = spoken.cues.filter(({ viseme }) => viseme !== 'sil');
      levels.push(20 * Math.log10(rms(spoken, vowels[0]?.startMs ?? 0, vowels.at(-1)?.endMs ?? 0)));
      for (const { pcm } of spoken.pieces) expect(pcm.every((sample) => Math.abs(sample) < 32_767)).toBe(true);
    }
    expect(Math.max(...levels) - Math.min(...levels)).toBeLessThan(4);
  });

  it('take markup for text and keep to the plan', async () => {
    const spoken = await say(service, 'Wait <break time="20s"/> here.', 'espeak-en-us');
    expect(spoken.lengthMs).toBeLessThan(10_000);
  });

  it('hand out the first piece long before the last', async () => {
    const text = 'This sentence is said again and again. '.repeat(60);
    const started = performance.now();
    let firstMs = 0;
    let count = 0;
    for await (const _ of service.speak(service.plan({ text }))) {
      if (count === 0) firstMs = performance.now() - started;
      count += 1;
    }
    expect(count).toBe(60);
    expect(firstMs).toBeLessThan((performance.now() - started) / 5);
  });

  it('stop when they are interrupted, and speak on', async () => {
    const abort = new AbortController();
    const plan = service.plan({ text: 'This sentence is said again and again. '.repeat(60) });
    let count = 0;
    for await (const _ of service.speak(plan, abort.signal)) {
      count += 1;
      if (count === 2) abort.abort();
    }
    expect(count).toBe(2);
    expect((await say(service, 'Hello.')).pieces).toHaveLength(1);
  });

  it('speak several utterances at a time', async () => {
    const all = await Promise.all(
      ['Hello there. And again.', 'Guten Tag. Noch einmal.', '你好。再来一次。'].map((text) => say(service, text)),
    );
    for (const { pieces } of all) expect(pieces).toHaveLength(2);
  });
});

describe('a broken worker', () => {
  let folder: string;
  let service: SpeechService;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dh-live-speech-'));
    const workerFile = join(folder, 'worker.mjs');
    await writeFile(
      workerFile,
      `export default ({ text, loudness }) => {
        if (text.startsWith('Crash')) process.exit(1);
        if (text.startsWith('Throw')) throw new WebAssembly.RuntimeError('unreachable');
        if (text.startsWith('Eat')) { const all = []; for (;;) all.push(new Array(1e5).fill(text + all.length)); }
        if (text.startsWith('Hang')) for (;;);
        return { piece: { pcm: new Int16Array(160), sampleRateHz: 16000, cues: [] }, loudness };
      };`,
    );
    service = new SpeechService({ workerFile, timeLimitMs: 3000 });
  });
  afterAll(async () => {
    await service.close();
    await rm(folder, { recursive: true });
  });

  it.each(['Crash.', 'Throw.', 'Hang.', 'Eat.'])('fails the utterance "%s" alone', async (text) => {
    await expect(say(service, `Hello. ${text} Never said.`)).rejects.toMatchObject({ code: 'speech_failed' });
    expect((await say(service, 'Hello. And again.')).pieces).toHaveLength(2);
  });

  it('an interrupted utterance ends at once although its synthesis hangs', async () => {
    const abort = new AbortController();
    const pending = service.speak(service.plan({ text: 'Hang.' }), abort.signal).next();
    const started = performance.now();
    setImmediate(() => abort.abort());
    expect((await pending).done).toBe(true);
    expect(performance.now() - started).toBeLessThan(500);
  });

  it('after close nothing is said and closing again is harmless', async () => {
    const other = new SpeechService({ workerFile: join(folder, 'worker.mjs') });
    const plan = other.plan({ text: 'Hello.' });
    await other.close();
    await other.close();
    expect((await other.speak(plan).next()).done).toBe(true);
  });
});

describe('the synthesisers', () => {
  it('espeak-ng holds the voices of the table', async () => {
    const engine = await EspeakEngine.load();
    const held = engine.voices();
    expect(ESPEAK_VOICES.map(([, identifier]) => identifier).sort()).toEqual(
      held.filter((identifier) => identifier !== 'art/xex').sort(),
    );
    for (const [, identifier] of ESPEAK_VOICES.filter((_, i) => i % 10 === 0)) {
      expect(engine.synthesise(identifier, 'ma 1 2').pcm.length).toBeGreaterThan(1000);
    }
  });

  it('the ids of all voices differ', () => {
    expect(new Set(EMBEDDED_VOICES.map(({ id }) => id)).size).toBe(EMBEDDED_VOICES.length);
  });

  it('Flite says the same again and again, whatever it said between', async () => {
    const engine = await FliteEngine.load();
    const first = engine.synthesise('slt', 'Hello, 12 people are here.');
    const texts = ['x', 'A & B <c> "d"', '$5 and 3.4%', '', '...', `word ${'word '.repeat(40)}`, '-help', '--version'];
    for (const voice of ['rms', 'awb', 'kal16', 'slt']) for (const text of texts) engine.synthesise(voice, text);
    expect(engine.synthesise('slt', 'Hello, 12 people are here.')).toEqual(first);
  });
});
