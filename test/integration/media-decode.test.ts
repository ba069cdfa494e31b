import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { peak, rms } from '../../src/audio/fade.js';
import { DhError } from '../../src/errors.js';
import { MediaClient, type DecodeOptions } from '../../src/media/media-client.js';
import { SAMPLE_RATE } from '../../src/units.js';
import { encodeSilentFilm, encodeSound, tone, wav } from './media-fixtures.js';

let dir = '';
const client = new MediaClient();
const at = (name: string): string => join(dir, name);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dh-media-'));
});
afterAll(async () => {
  await client.close();
  await rm(dir, { recursive: true, force: true });
});

async function decode(name: string, options: DecodeOptions = {}): Promise<Int16Array> {
  const samples: number[] = [];
  for await (const piece of client.decode(at(name), options)) {
    expect(piece.length).toBeLessThanOrEqual(SAMPLE_RATE / 2);
    samples.push(...piece);
  }
  return Int16Array.from(samples);
}

async function failure(run: Promise<unknown>): Promise<DhError> {
  const error = await run.then(
    () => expect.unreachable('it did not fail'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DhError);
  return error as DhError;
}

/** Level of one frequency, 0…1, by Goertzel's sum. */
function levelAt(samples: Int16Array, hz: number): number {
  let re = 0;
  let im = 0;
  samples.forEach((value, i) => {
    re += value * Math.cos((2 * Math.PI * hz * i) / SAMPLE_RATE);
    im += value * Math.sin((2 * Math.PI * hz * i) / SAMPLE_RATE);
  });
  return (2 * Math.hypot(re, im)) / samples.length / 32_768;
}

describe('formats', () => {
  const cases: [name: string, encoder: string, rateHz: number][] = [
    ['a.mp3', 'libmp3lame', 44_100],
    ['opus.ogg', 'libopus', 48_000],
    ['vorbis.ogg', 'libvorbis', 22_050],
    ['a.flac', 'flac', 44_100],
    ['a.m4a', 'aac', 44_100],
    ['a.mp4', 'aac', 48_000],
    ['a.aac', 'aac', 24_000],
    ['a.webm', 'libopus', 48_000],
    ['a.mkv', 'libmp3lame', 32_000],
  ];

  it.each(cases)('%s (%s, %d Hz)', async (name, encoder, rateHz) => {
    encodeSound(at(name), { encoder, rateHz, seconds: 2, stereo: true });
    const info = await client.probe(at(name));
    expect(info).toMatchObject({ channels: 2, rateHz });
    expect(info.durationS).toBeCloseTo(2, 0);
    const samples = await decode(name);
    // Raw ADTS says nothing of the encoder's delay and padding: up to two frames more.
    expect(samples.length / SAMPLE_RATE).toBeGreaterThan(1.99);
    expect(samples.length / SAMPLE_RATE).toBeLessThan(2.13);
    expect(levelAt(samples.subarray(9_600, 86_400), 440)).toBeCloseTo(0.5, 1);
    expect(levelAt(samples.subarray(9_600, 86_400), 1_000)).toBeLessThan(0.02);
  });

  it.each(['u8', 's16', 's24', 's32', 'f32'] as const)('WAV of %s', async (kind) => {
    await writeFile(at(`${kind}.wav`), wav(16_000, tone(16_000), { rateHz: 16_000, kind }));
    const samples = await decode(`${kind}.wav`);
    expect(samples.length).toBe(SAMPLE_RATE);
    expect(levelAt(samples, 440)).toBeCloseTo(0.5, 2);
  });

  // FFmpeg takes the sound of these for an MPEG transport stream: a byte of 0x47 comes back at the right distance.
  it.each([
    [8_000, 250, 'saw'],
    [8_000, 750, 'sine'],
    [16_000, 1_500, 'sine'],
    [16_000, 500, 'saw'],
    [24_000, 250, 'sine'],
    [48_000, 500, 'sine'],
    [48_000, 1_500, 'saw'],
  ] as const)('WAV of %d Hz with a loud tone of %d Hz (%s)', async (rateHz, hz, shape) => {
    const value = (i: number): number => {
      const turns = (i * hz) / rateHz;
      return 0.99 * (shape === 'sine' ? Math.sin(2 * Math.PI * turns) : 2 * (turns % 1) - 1);
    };
    await writeFile(at('loud-tone.wav'), wav(2 * rateHz, value, { rateHz }));
    expect(await client.probe(at('loud-tone.wav'))).toMatchObject({ container: 'wav', codec: 'pcm_s16le' });
    const samples = await decode('loud-tone.wav');
    expect(Math.abs(samples.length - 2 * SAMPLE_RATE)).toBeLessThanOrEqual(1);
    expect(levelAt(samples, hz)).toBeGreaterThan(0.6);
  });

  it.each([8_000, 11_025, 96_000, 192_000])('WAV of %d Hz', async (rateHz) => {
    await writeFile(at('rate.wav'), wav(rateHz, tone(rateHz), { rateHz }));
    const samples = await decode('rate.wav');
    expect(Math.abs(samples.length - SAMPLE_RATE)).toBeLessThanOrEqual(1);
    expect(levelAt(samples, 440)).toBeCloseTo(0.5, 2);
  });

  it.each([1, 7, 17, 24, 36, 47, 200, 255, 256])('a WAV of %d samples, at any rate, has its length', async (count) => {
    for (const [rateHz, kind] of [
      [8_000, 'u8'],
      [24_000, 's16'],
      [44_100, 'f32'],
      [96_000, 's16'],
    ] as const) {
      await writeFile(
        at('few.wav'),
        wav(count, () => 0.5, { rateHz, kind }),
      );
      const samples = await decode('few.wav');
      const due = (count * SAMPLE_RATE) / rateHz;
      expect(Math.abs(samples.length - due), `${rateHz} Hz`).toBeLessThanOrEqual(1);
      expect(samples.length).toBeGreaterThan(0);
      if (count >= 17) expect(peak(samples)).toBeGreaterThan(0.4);
    }
  });

  it('mixes 7.1 so that every speaker but the LFE is heard and nothing clips', async () => {
    const rateHz = 48_000;
    const heard: number[] = [];
    for (let speaker = 0; speaker < 8; speaker++) {
      const value = (i: number, channel: number): number => (channel === speaker ? tone(rateHz)(i) : 0);
      await writeFile(at('71.wav'), wav(4_800, value, { rateHz, channels: 8, mask: 0x63f, kind: 's24' }));
      heard.push(rms(await decode('71.wav')));
    }
    const lfe = 3;
    expect(heard[lfe]).toBe(0);
    heard.forEach((level, speaker) => {
      if (speaker !== lfe) expect(level).toBeGreaterThan(0.02);
    });
    const loud = (i: number): number => (Math.floor(i / 50) % 2 === 0 ? 1 : -1);
    await writeFile(at('loud.wav'), wav(4_800, loud, { rateHz, channels: 8, kind: 's16' }));
    const samples = await decode('loud.wav');
    expect(peak(samples)).toBeGreaterThan(0.9);
    // Had it wrapped around, samples next to each other within a half wave would have opposite signs.
    expect(samples[10]! > 0 && samples[40]! > 0 && samples[60]! < 0 && samples[90]! < 0).toBe(true);
  });

  it('mixes a number of channels that no speaker layout has', async () => {
    await writeFile(at('12.wav'), wav(4_800, tone(48_000), { rateHz: 48_000, channels: 12 }));
    expect(levelAt(await decode('12.wav'), 440)).toBeCloseTo(0.5, 2);
  });
});

describe('files that are not as they should be', () => {
  it('decodes what there is of a WAV that lies about its length', async () => {
    for (const statedBytes of [0x7ffffff0, 0xffffffff, 0]) {
      await writeFile(at('lie.wav'), wav(16_000, tone(16_000), { rateHz: 16_000, statedBytes }));
      const onDamage = (what: string): never => expect.unreachable(what);
      expect((await decode('lie.wav', { maxDurationS: 10, onDamage })).length).toBe(SAMPLE_RATE);
    }
    await writeFile(at('short.wav'), wav(16_000, tone(16_000), { rateHz: 16_000, statedBytes: 16_000 }));
    expect((await decode('short.wav')).length).toBe(SAMPLE_RATE / 2);
  });

  /** Decodes a file, with all that is said to be wrong with it. */
  const decodeDamaged = async (name: string): Promise<{ samples: Int16Array; said: string[] }> => {
    const said: string[] = [];
    const samples = await decode(name, { onDamage: (what) => said.push(what) });
    return { samples, said };
  };

  it.each([
    ['cut.mp3', 'libmp3lame', 44_100, /^cut off or damaged: holds [12]\.\d\d of 4\.00 s$/],
    // Its header says nothing of its length.
    ['cut.ogg', 'libopus', 48_000, null],
    ['cut.flac', 'flac', 44_100, /^cut off or damaged: holds [12]\.\d\d of 4\.00 s$/],
    ['cut.webm', 'libopus', 48_000, /^cut off or damaged: holds [12]\.\d\d of 4\.01 s$/],
    ['cut.aiff', 'pcm_s16be', 44_100, /^cut off or damaged: holds 2\.40 of 4\.00 s$/],
    ['cut.wav', 'pcm_s16le', 44_100, /^cut off or damaged: holds 2\.40 of 4\.00 s$/],
  ] as const)('decodes what there is of %s, and says that it is not all', async (name, encoder, rateHz, what) => {
    encodeSound(at(name), { encoder, rateHz, seconds: 4 });
    expect((await decodeDamaged(name)).said).toEqual([]);
    await truncate(at(name), Math.floor((await stat(at(name))).size * 0.6));
    const { samples, said } = await decodeDamaged(name);
    expect(samples.length / SAMPLE_RATE).toBeGreaterThan(0.9);
    expect(samples.length / SAMPLE_RATE).toBeLessThan(3);
    if (what === null) expect(said).toEqual([]);
    else expect(said.at(-1)).toMatch(what);
  });

  it.each([
    ['zeros.mp3', 'libmp3lame', 44_100, /holds 2\.[45]\d of 2\.62 s/],
    ['zeros.flac', 'flac', 44_100, /holds 2\.[45]\d of 2\.62 s/],
    ['zeros.aac', 'aac', 24_000, /^damaged in 1 place$/],
  ] as const)('says that zeros lie in the middle of %s', async (name, encoder, rateHz, what) => {
    encodeSound(at(name), { encoder, rateHz, seconds: 2.62, value: (i) => 0.4 * Math.sin(i * (0.01 + i * 1e-6)) });
    const bytes = await readFile(at(name));
    const middle = Math.floor(bytes.length / 2);
    bytes.fill(0, middle, middle + 600);
    await writeFile(at(name), bytes);
    expect((await decodeDamaged(name)).said).toEqual([expect.stringMatching(what)]);
  });

  it('finds nothing wrong with tags, padding, and a recording that begins in the middle', async () => {
    encodeSound(at('plain.mp3'), { encoder: 'libmp3lame', rateHz: 44_100, seconds: 2 });
    const mp3 = await readFile(at('plain.mp3'));
    const id3 = Buffer.concat([Buffer.from('4944330300000000140a', 'hex'), Buffer.alloc(0x14 * 128 + 10)]);
    const files = {
      id3v1: [mp3, Buffer.from('TAG'.padEnd(128, 'x'))],
      ape: [mp3, Buffer.from('APETAGEX'.padEnd(300, '\xd0\x07'), 'latin1')],
      id3v2: [id3, mp3],
      middle: [mp3.subarray(9_000)],
    };
    for (const [what, parts] of Object.entries(files)) {
      await writeFile(at('tags.mp3'), Buffer.concat(parts));
      expect([what, (await decodeDamaged('tags.mp3')).said]).toEqual([what, []]);
    }
  });

  it('goes on after damage in the middle', async () => {
    encodeSound(at('damaged.mp3'), { encoder: 'libmp3lame', rateHz: 44_100, seconds: 4 });
    const bytes = await readFile(at('damaged.mp3'));
    bytes.fill(0x55, bytes.length / 2, bytes.length / 2 + 2_000);
    await writeFile(at('damaged.mp3'), bytes);
    const samples = await decode('damaged.mp3');
    expect(samples.length / SAMPLE_RATE).toBeGreaterThan(3.5);
    expect(levelAt(samples.subarray(-SAMPLE_RATE), 440)).toBeGreaterThan(0.3);
  });

  it('says what it found instead of sound', async () => {
    encodeSound(at('whole.m4a'), { encoder: 'aac', rateHz: 44_100, seconds: 2 });
    encodeSilentFilm(at('film.mp4'));
    const m4a = await readFile(at('whole.m4a'));
    const files: [name: string, data: Buffer | string | null, code: string, message: RegExp][] = [
      ['song.mp3', 'This is not a song.\n'.repeat(200), 'audio_invalid', /not audio: text/],
      ['page.wav', '<!DOCTYPE html><html></html>', 'audio_invalid', /web page/],
      ['empty.wav', '', 'audio_invalid', /empty file/],
      ['none.wav', wav(0, () => 0, { rateHz: 16_000 }), 'audio_invalid', /empty/],
      ['cut.m4a', m4a.subarray(0, m4a.length / 2), 'audio_invalid', /damaged or cut off/],
      ['zeros.mp3', Buffer.alloc(5_000), 'audio_invalid', /zeros/],
      ['picture.mp3', Buffer.from('\x89PNG\r\n\x1a\nxxxxxxxxxxxxxxxx', 'latin1'), 'audio_invalid', /PNG/],
      ['lossy.wav', Buffer.from('RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0', 'latin1'), 'audio_invalid', /a WebP picture/],
      ['alpha.wav', Buffer.from('RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0', 'latin1'), 'audio_invalid', /a WebP picture/],
      ['lossless.wav', Buffer.from('RIFF\x24\0\0\0WEBPVP8L\x0a\0\0\0', 'latin1'), 'audio_invalid', /a WebP picture/],
      ['film.avi', Buffer.from('RIFF\x24\0\0\0AVI LIST\x0a\0\0\0', 'latin1'), 'audio_invalid', /an AVI film/],
      ['head.wav', wav(0, () => 0, { rateHz: 16_000 }).subarray(0, 20), 'audio_invalid', /damaged or cut off/],
      ['many.wav', wav(10, () => 0, { rateHz: 16_000, channels: 200 }), 'audio_unsupported', /200 channels/],
      ['film.mp4', null, 'audio_unsupported', /no sound track/],
    ];
    for (const [name, data, code, message] of files) {
      if (data !== null) await writeFile(at(name), data);
      const error = await failure(decode(name));
      expect([name, error.code]).toEqual([name, code]);
      expect(error.message).toMatch(message);
      expect((await failure(client.probe(at(name)).then(() => decode(name)))).code).toBe(code);
    }
    expect(client.stats()).toMatchObject({ jobs: 0, waiting: 0, starts: 1 });
  });

  it('opens no playlist, no other file and nothing but regular files', async () => {
    await writeFile(at('secret.wav'), wav(16_000, tone(16_000), { rateHz: 16_000 }));
    const secret = at('secret.wav');
    const playlists: Record<string, string> = {
      'list.m3u8': `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://${secret}\n#EXT-X-ENDLIST\n`,
      'list.ffconcat': `ffconcat version 1.0\nfile '${secret}'\n`,
      'list.sdp': 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n',
    };
    for (const [name, text] of Object.entries(playlists)) {
      await writeFile(at(name), text);
      expect((await failure(decode(name))).code).toBe('audio_invalid');
    }
    execFileSync('mkfifo', [at('pipe.wav')]);
    expect((await failure(decode('pipe.wav'))).message).toMatch(/not a regular file/);
    expect((await failure(decode('.'))).message).toMatch(/not a regular file/);
    expect((await failure(decode('missing.wav'))).code).toBe('not_found');
    expect((await failure(decode('http://127.0.0.1:1/a.wav'))).code).toBe('not_found');
  });
});

describe('length', () => {
  it('refuses at once what says that it is too long', async () => {
    encodeSound(at('long.flac'), { encoder: 'flac', rateHz: 8_000, seconds: 20 });
    let pieces = 0;
    const run = async (): Promise<void> => {
      for await (const _ of client.decode(at('long.flac'), { maxDurationS: 10 })) pieces++;
    };
    const error = await failure(run());
    expect(error.code).toBe('audio_too_long');
    expect(error.message).toContain('20 s');
    expect(pieces).toBe(0);
  });

  it('stops a bomb: little data that is an hour of silence at the limit', async () => {
    encodeSound(at('bomb.flac'), { encoder: 'flac', rateHz: 8_000, seconds: 3_600, value: () => 0 });
    const bytes = await readFile(at('bomb.flac'));
    // Total samples in STREAMINFO: the low 4 bits of byte 21 and the four after it; 0 means not known.
    bytes[21]! &= 0xf0;
    bytes.fill(0, 22, 26);
    await writeFile(at('bomb.flac'), bytes);
    expect(bytes.length).toBeLessThan(1_000_000);
    let samples = 0;
    const run = async (): Promise<void> => {
      for await (const piece of client.decode(at('bomb.flac'), { maxDurationS: 5.1 })) samples += piece.length;
    };
    expect((await failure(run())).code).toBe('audio_too_long');
    expect(samples).toBe(244_800);
  });

  it('lets through what is exactly as long as allowed', async () => {
    await writeFile(at('exact.wav'), wav(8_000 * 2, tone(8_000), { rateHz: 8_000 }));
    expect((await decode('exact.wav', { maxDurationS: 2 })).length).toBe(2 * SAMPLE_RATE);
  });
});
