import { describe, expect, it } from 'vitest';

/** The pages are plain JavaScript without declarations: what is used of them is stated here. */
const web = <T>(path: string): Promise<T> => import(new URL(`../../web/${path}`, import.meta.url).href) as Promise<T>;

interface Backoff {
  readonly tries: number;
  next(atLeastMs?: number): number;
  reset(): void;
}
const { Backoff, retryAfterMs } = await web<{
  Backoff: new (options?: Record<string, number | (() => number)>) => Backoff;
  retryAfterMs: (header: string | null, nowMs?: number) => number;
}>('backoff.js');

describe('back-off', () => {
  it('grows from 0.3 s to 5 s and begins anew after success', () => {
    const backoff = new Backoff({ random: () => 0.5 });
    expect(Array.from({ length: 7 }, () => backoff.next())).toEqual([300, 600, 1200, 2400, 4800, 5000, 5000]);
    backoff.reset();
    expect(backoff.next()).toBe(300);
  });

  it('spreads waits by jitter, never outside its bounds', () => {
    for (const random of [0, 0.1, 0.9, 0.999]) {
      const backoff = new Backoff({ random: () => random });
      for (let i = 0; i < 2000; i += 1) {
        const wait = backoff.next();
        expect(wait).toBeGreaterThanOrEqual(300);
        expect(wait).toBeLessThanOrEqual(5000);
      }
    }
    const low = new Backoff({ random: () => 0 });
    const high = new Backoff({ random: () => 1 });
    low.next();
    high.next();
    expect(low.next()).toBeLessThan(high.next());
  });

  it('never comes earlier than the server asked', () => {
    const backoff = new Backoff({ random: () => 0 });
    expect(backoff.next(9000)).toBe(9000);
    expect(new Backoff({ random: () => 1 }).next(8000)).toBe(10_000);
  });

  it('reads Retry-After as seconds and as a date', () => {
    expect(retryAfterMs('3')).toBe(3000);
    expect(retryAfterMs('Thu, 01 Jan 1970 00:00:10 GMT', 4000)).toBe(6000);
    expect(retryAfterMs('Thu, 01 Jan 1970 00:00:10 GMT', 40_000)).toBe(0);
    expect(retryAfterMs('999999')).toBe(60_000);
    for (const nonsense of [null, '', 'soon', '-4']) expect(retryAfterMs(nonsense)).toBe(0);
  });
});

describe('answers of a WHEP server', async () => {
  const { outcomeOf, preferH264 } = await web<{
    outcomeOf: (status: number, code?: string) => { state: string; retry: boolean };
    preferH264: (codecs: { mimeType: string; sdpFmtpLine?: string }[]) => { mimeType: string; sdpFmtpLine?: string }[];
  }>('whep.js');
  const { iceServersOf } = await web<{ iceServersOf: (header: string | null) => unknown[] }>('link-header.js');

  it.each([
    [404, 'session_not_found', 'missing', true],
    [503, 'viewer_limit', 'full', true],
    [503, undefined, 'full', true],
    [503, 'stage_unavailable', 'reconnecting', true],
    [409, 'session_not_live', 'reconnecting', true],
    [0, undefined, 'reconnecting', true],
    [500, 'internal', 'reconnecting', true],
    [401, 'unauthorized', 'failed', false],
    [422, 'sdp_invalid', 'failed', false],
  ])('%i %s is %s', (status, code, state, retry) => {
    expect(outcomeOf(status, code)).toEqual({ state, retry });
  });

  it('puts H.264 first and keeps the order of the rest', () => {
    const codecs = [
      { mimeType: 'video/VP8' },
      { mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=0' },
      { mimeType: 'video/rtx' },
      { mimeType: 'video/H264', sdpFmtpLine: 'level-asymmetry-allowed=1;packetization-mode=1' },
    ];
    expect(preferH264(codecs)).toEqual([codecs[3], codecs[1], codecs[0], codecs[2]]);
  });

  it('takes ICE servers from Link headers', () => {
    const header =
      '<stun:stun.example.org>; rel="ice-server", </other>; rel=next, ' +
      '<turn:turn.example.org?transport=udp>; rel="ice-server"; username="a, b"; credential="c;d"; credential-type="password"';
    expect(iceServersOf(header)).toEqual([
      { urls: 'stun:stun.example.org' },
      { urls: 'turn:turn.example.org?transport=udp', username: 'a, b', credential: 'c;d' },
    ]);
    expect(iceServersOf(null)).toEqual([]);
    expect(iceServersOf('<stun:x>; rel="next"')).toEqual([]);
  });
});

describe('sound samples', async () => {
  const { floatToS16, mixDown, wavFile } = await web<{
    floatToS16: (from: Float32Array, into: Int16Array) => number;
    mixDown: (channels: Float32Array[]) => Float32Array;
    wavFile: (samples: Int16Array, rateHz: number) => Uint8Array;
  }>('studio/pcm.js');

  it('become 16-bit with both full scales, clipped, without NaN', () => {
    const into = new Int16Array(7);
    const peak = floatToS16(new Float32Array([0, 1, -1, 2, -3, Number.NaN, 0.5]), into);
    expect([...into]).toEqual([0, 32767, -32768, 32767, -32768, 0, 16384]);
    expect(peak).toBe(1);
  });

  it('are averaged over the channels', () => {
    expect([...mixDown([new Float32Array([1, 0]), new Float32Array([0, -1])])]).toEqual([0.5, -0.5]);
    const one = new Float32Array(3);
    expect(mixDown([one])).toBe(one);
    expect(mixDown([])).toHaveLength(0);
  });

  it('become a WAV file that says what it holds', () => {
    const bytes = Buffer.from(wavFile(new Int16Array([1, -2, 32767]), 48_000));
    expect(bytes).toHaveLength(50);
    expect(bytes.toString('latin1', 0, 4) + bytes.toString('latin1', 8, 16)).toBe('RIFFWAVEfmt ');
    expect(bytes.readUInt32LE(4)).toBe(42);
    expect([bytes.readUInt16LE(20), bytes.readUInt16LE(22)]).toEqual([1, 1]);
    expect([bytes.readUInt32LE(24), bytes.readUInt32LE(28)]).toEqual([48_000, 96_000]);
    expect([bytes.readUInt16LE(32), bytes.readUInt16LE(34), bytes.readUInt32LE(40)]).toEqual([2, 16, 6]);
    expect([bytes.readInt16LE(44), bytes.readInt16LE(46), bytes.readInt16LE(48)]).toEqual([1, -2, 32767]);
  });
});

describe('kinds of files', async () => {
  const { serverAudioType } = await web<{ serverAudioType: (head: Uint8Array) => string | null }>('studio/sniff.js');
  const head = (text: string) => Buffer.from(text.padEnd(64, '\0'), 'latin1');

  it.each([
    ['RIFF\x00\x00\x00\x00WAVEfmt ', 'audio/wav'],
    ['RIFF\x00\x00\x00\x00AVI LIST', null],
    ['fLaC', 'audio/flac'],
    ['ID3\x04', 'audio/mpeg'],
    ['\xff\xfb\x90\x00', 'audio/mpeg'],
    ['\xff\xf1\x50\x80', null],
    ['\x00\x00\x00\x20ftypM4A ', 'audio/mp4'],
    ['\x00\x00\x00\x20ftypisom', null],
    ['\x1aE\xdf\xa3', null],
    ['#!AMR\n', null],
    ['plain text, called .mp3', null],
    ['', null],
  ])('%j → %s', (text, type) => {
    expect(serverAudioType(head(text))).toBe(type);
  });

  it('takes Ogg with Opus, not with pictures', () => {
    expect(serverAudioType(head('OggS'.padEnd(28, '\0') + 'OpusHead'))).toBe('audio/ogg');
    expect(serverAudioType(head('OggS'.padEnd(28, '\0') + '\x80theora'))).toBeNull();
  });
});

describe('what people read', async () => {
  const { bytesText, durationText, numberText } =
    await web<Record<string, (value: number) => string>>('studio/format.js');
  const { readLogLine } = await web<{ readLogLine: (line: string) => object }>('studio/ffmpeg.js');

  it('shows sizes and times', () => {
    expect([0, 999, 1000, 812_345, 999_600, 1.4e9, Number.NaN].map(bytesText!)).toEqual([
      '0 B', '999 B', '1.0 kB', '812 kB', '1.0 MB', '1.4 GB', '–',
    ]); // prettier-ignore
    expect([0, 840, 12_340, 59_999, 187_000, 3_661_000].map(durationText!)).toEqual([
      '0 ms', '840 ms', '12.3 s', '1:00', '3:07', '1:01:01',
    ]); // prettier-ignore
    expect(numberText!(24.96)).toBe('25');
    expect(numberText!(Number.NaN)).toBe('–');
  });

  it('finds the progress in the log of FFmpeg', () => {
    expect(readLogLine('  Duration: 01:02:03.50, start: 0.000000, bitrate: 12 kb/s')).toEqual({ lengthS: 3723.5 });
    expect(readLogLine('size=     938kB time=00:00:10.01 bitrate= 768.0kbits/s speed= 100x')).toEqual({ timeS: 10.01 });
    expect(readLogLine('  Duration: N/A, bitrate: N/A')).toEqual({});
  });
});

describe('the list of voices', async () => {
  const { groupVoices, languagesOf } = await web<{
    groupVoices: (voices: object[], search?: string) => { name: string; voices: { id: string }[] }[];
    languagesOf: (voices: object[]) => { tag: string; name: string }[];
  }>('studio/voice-list.js');
  const voices = [
    { id: 'slt', name: 'Slt', engine: 'flite', languages: ['en-US'], gender: 'female' },
    { id: 'es', name: 'Español', engine: 'espeak', languages: ['es'], gender: 'male' },
    { id: 'en-gb', name: 'British', engine: 'espeak', languages: ['en-GB', 'en'], gender: 'male' },
    { id: 'odd', languages: [] },
  ];
  const sindarin = { id: 'espeak-sjn', name: 'Sindarin', languages: ['sjn'] };

  it('groups by language, in order', () => {
    const groups = groupVoices(voices).map(({ name, voices: list }) => [name, list.map(({ id }) => id)]);
    expect(groups).toEqual([
      ['English', ['en-gb', 'slt']],
      ['Other', ['odd']],
      ['Spanish', ['es']],
    ]);
  });

  it('finds by name, language, engine and gender, accents or not', () => {
    const ids = (search: string) => groupVoices(voices, search).flatMap((g) => g.voices.map(({ id }) => id));
    expect(ids('espanol')).toEqual(['es']);
    expect(ids('english female')).toEqual(['slt']);
    expect(ids('ESPEAK male').sort()).toEqual(['en-gb', 'es']);
    expect(ids('klingon')).toEqual([]);
    // What a language calls itself, too.
    const german = { id: 'x', name: 'X', languages: ['de'] };
    expect(groupVoices([...voices, german], 'deutsch').map(({ name }) => name)).toEqual(['German']);
  });

  it('names a language that the browser does not know after its voice', () => {
    expect(groupVoices([sindarin])[0]!.name).toBe('Sindarin');
  });

  it('names every language once', () => {
    expect(
      languagesOf(voices)
        .map(({ tag }) => tag)
        .sort(),
    ).toEqual(['en', 'en-GB', 'en-US', 'es']);
  });
});

describe('the place of the picture', async () => {
  interface Size {
    width: number;
    height: number;
  }
  const { fitBox } = await web<{ fitBox: (place: Size, picture: Size, fit?: string) => Size }>('fit.js');
  const hd = { width: 1280, height: 720 };

  it('covers when little is lost', () => {
    expect(fitBox({ width: 1280, height: 800 }, hd)).toEqual({ width: 1280, height: 800 });
    expect(fitBox({ width: 1600, height: 800 }, hd)).toEqual({ width: 1600, height: 800 });
  });

  it('keeps half of the width on a phone, and bars above and below', () => {
    const box = fitBox({ width: 390, height: 844 }, hd);
    expect(box.width).toBe(390);
    expect(box.height).toBeCloseTo(438.75, 2);
  });

  it('keeps four fifths of the height of a portrait picture', () => {
    expect(fitBox({ width: 1280, height: 800 }, { width: 720, height: 1280 })).toEqual({ width: 562.5, height: 800 });
  });

  it('contains or covers when told to, and fills its place before there is a picture', () => {
    expect(fitBox({ width: 390, height: 844 }, hd, 'contain').height).toBeCloseTo(219.375, 3);
    expect(fitBox({ width: 390, height: 844 }, hd, 'cover')).toEqual({ width: 390, height: 844 });
    expect(fitBox({ width: 390, height: 844 }, { width: 0, height: 0 })).toEqual({ width: 390, height: 844 });
  });
});
