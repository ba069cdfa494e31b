import { open as openFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AVDISCARD_ALL, AVERROR_EOF, AVMEDIA_TYPE_AUDIO, AV_NOPTS_VALUE } from 'node-av/constants';
import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  InputFormat,
  Packet,
  PosixError,
  avGetCodecName,
  type Stream,
} from 'node-av/lib';
import { DhError } from '../errors.js';
import { SAMPLE_RATE, type Closable } from '../units.js';
import { MonoMixer } from './mono-mixer.js';
import { damagedPlaces, missingSound, wavData } from './damage.js';
import { demuxerOf, describeBytes } from './sniff.js';

const EAGAIN = FFmpegError.AVERROR(PosixError.EAGAIN);

/**
 * What may be opened: formats that hold their own sound. Playlists and formats that name other files or addresses
 * (hls, concat, dash, sdp, image sequences …) are not among them.
 */
const FORMATS = 'wav,w64,aiff,au,caf,mp3,aac,flac,ogg,mov,matroska,amr';
/** What may decode it: sound only, so a film's picture is never looked at. */
const CODECS = [
  'mp3,mp3float,mp2,mp2float,aac,opus,vorbis,flac,alac,ac3,eac3,amrnb,amrwb,adpcm_ms,adpcm_ima_wav,pcm_alaw,pcm_mulaw',
  'pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be',
].join();
/** Packets of PCM that are searched for another codec that hides in it, as DTS in a WAV; more takes most of the opening. */
const PROBE_PACKETS = 8;
/** FFmpeg's time base of a whole file. */
const MICROSECONDS = { num: 1, den: 1_000_000 };
/** Errors in a row after which a decoder that is being emptied is given up. */
const MAX_DRAIN_ERRORS = 100;

/** What is in a file. */
export interface SoundInfo {
  /** FFmpeg's names, for example `mp3` and `mp3float`, or `mov,mp4,m4a,3gp,3g2,mj2` and `aac`. */
  container: string;
  codec: string;
  rateHz: number;
  channels: number;
  /** What the file says of its length, where that is possible at all; null when it says nothing. */
  durationS: number | null;
  /** The same when it is no estimate. */
  statedS: number | null;
  /** What is there of that, where the bytes of the file tell. */
  heldS: number | null;
}

/**
 * The sound of one file as 48 kHz mono, piece by piece. Runs in the media process, which does one thing at a time, and
 * decodes on the calling thread: every hop to a thread and back costs more than the decoding of a packet.
 */
export class SoundFile implements Closable {
  readonly info: SoundInfo;
  readonly #format: FormatContext;
  readonly #codec: CodecContext;
  readonly #streamIndex: number;
  readonly #packet = new Packet();
  readonly #frame = new Frame();
  readonly #mixer = new MonoMixer();
  #ready: Int16Array = new Int16Array(0);
  #draining = false;
  #ended = false;
  #closed = false;
  #samples = 0;
  #frames = 0;
  /** Errors since the last frame: at the end of a file they are tags, not damage. */
  #errors = 0;
  #damages = 0;
  /** Packets that could not be decoded and were left out. */
  damagedPackets = 0;

  private constructor(format: FormatContext, codec: CodecContext, stream: Stream, info: SoundInfo) {
    this.#format = format;
    this.#codec = codec;
    this.#streamIndex = stream.index;
    this.info = info;
    this.#packet.alloc();
    this.#frame.alloc();
  }

  /** @throws DhError `not_found`, `audio_invalid` (says what was found instead), `audio_unsupported`. */
  static async open(path: string): Promise<SoundFile> {
    const { head, sizeBytes } = await readHead(path);
    if (sizeBytes === 0) throw notSound('an empty file');
    const format = new FormatContext();
    const options = Dictionary.fromObject({
      protocol_whitelist: 'file',
      format_whitelist: FORMATS,
      codec_whitelist: CODECS,
      max_probe_packets: String(PROBE_PACKETS),
    });
    let codec: CodecContext | null = null;
    try {
      const demuxer = demuxerOf(head);
      const input = demuxer === null ? null : InputFormat.findInputFormat(demuxer);
      if (format.openInputSync(`file:${resolve(path)}`, input, options) < 0) throw notSound(describeBytes(head));
      for (const stream of format.streams) {
        if (stream.codecpar.codecType !== AVMEDIA_TYPE_AUDIO) stream.discard = AVDISCARD_ALL;
      }
      // Later it may be an estimate.
      const stated = format.streams.map(
        ({ duration, timeBase }, _, { length }) =>
          inSeconds(duration, timeBase) ?? (length === 1 ? inSeconds(format.duration, MICROSECONDS) : null),
      );
      if (format.findStreamInfoSync(null) < 0) throw notSound(describeBytes(head));
      const stream = chooseStream(format);
      codec = openDecoder(stream);
      const about = describe(format, codec, stream, sizeBytes);
      return new SoundFile(format, codec, stream, {
        ...about,
        ...(await lengthOf(path, sizeBytes, about, stream, stated)),
      });
    } catch (error) {
      codec?.freeContext();
      format.closeInputSync();
      throw error;
    } finally {
      options.free();
    }
  }

  /**
   * Decodes until `into` is full or the file ends.
   * @returns How many samples were written; 0 at the end.
   */
  read(into: Int16Array): number {
    let filled = 0;
    while (filled < into.length) {
      if (this.#ready.length === 0 && !this.#decodeMore()) break;
      const count = Math.min(this.#ready.length, into.length - filled);
      into.set(this.#ready.subarray(0, count), filled);
      this.#ready = this.#ready.subarray(count);
      filled += count;
    }
    this.#samples += filled;
    return filled;
  }

  /** What is wrong with sound that was read to its end; null: nothing that shows. */
  damage(): string | null {
    return missingSound(this.info.statedS, this.#samples / SAMPLE_RATE) ?? damagedPlaces(this.#damages);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#mixer.close();
    this.#frame.free();
    this.#packet.free();
    this.#codec.freeContext();
    this.#format.closeInputSync();
  }

  #decodeMore(): boolean {
    if (this.#ended) return false;
    if (this.#nextFrame()) {
      this.#ready = this.#mixer.mix(this.#frame);
      this.#frame.unref();
      return true;
    }
    this.#ended = true;
    this.#ready = this.#mixer.flush();
    return this.#ready.length > 0;
  }

  #nextFrame(): boolean {
    for (let drainErrors = 0; drainErrors < MAX_DRAIN_ERRORS;) {
      const got = this.#codec.receiveFrameSync(this.#frame);
      if (got === AVERROR_EOF) return false;
      if (got >= 0) {
        if (this.#frame.nbSamples > 0 && this.#frame.sampleRate > 0) {
          // One that begins in the middle of a recording has its first frames broken.
          if (this.#errors > 0 && this.#frames > 0) this.#damages++;
          this.#errors = 0;
          this.#frames++;
          return true;
        }
        this.#frame.unref();
        continue;
      }
      if (got !== EAGAIN) this.#errors++;
      if (this.#draining) drainErrors++;
      else this.#feed();
    }
    return false;
  }

  #feed(): void {
    const got = this.#format.readFrameSync(this.#packet);
    if (got < 0) {
      // A read error in the middle is the end of what is there, as with a file that was cut off.
      this.#draining = true;
      this.#codec.sendPacketSync(null);
      return;
    }
    if (this.#packet.streamIndex === this.#streamIndex) {
      const sent = this.#codec.sendPacketSync(this.#packet);
      if (sent < 0 && sent !== EAGAIN) {
        this.damagedPackets++;
        this.#errors++;
      }
    }
    this.#packet.unref();
  }
}

async function readHead(path: string): Promise<{ head: Buffer; sizeBytes: number }> {
  try {
    // Before it is opened: opening a named pipe would wait for its writer.
    const stats = await stat(path);
    if (!stats.isFile()) throw notSound('not a regular file');
    const file = await openFile(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0);
      return { head: buffer.subarray(0, bytesRead), sizeBytes: stats.size };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof DhError) throw error;
    throw new DhError('not_found', `the sound file cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function chooseStream(format: FormatContext): Stream {
  const best = format.findBestStream(AVMEDIA_TYPE_AUDIO);
  const stream = best < 0 ? undefined : format.streams.find((each) => each.index === best);
  if (stream !== undefined) return stream;
  throw new DhError('audio_unsupported', 'the file has no sound track', { hint: 'Give a file with sound in it.' });
}

function openDecoder(stream: Stream): CodecContext {
  const decoder = Codec.findDecoder(stream.codecpar.codecId);
  const name = avGetCodecName(stream.codecpar.codecId) ?? 'unknown';
  if (!decoder?.name || !CODECS.split(',').includes(decoder.name)) {
    throw new DhError('audio_unsupported', `the sound is coded as ${name}, which is not supported`, {
      hint: 'WAV, MP3, OGG/Opus, FLAC, M4A/AAC and the sound of MP4, MOV, WebM and MKV are.',
    });
  }
  const codec = new CodecContext();
  codec.allocContext3(decoder);
  codec.parametersToContext(stream.codecpar);
  codec.pktTimebase = stream.timeBase;
  codec.threadCount = 1;
  const opened = codec.open2Sync(decoder);
  if (opened >= 0) return codec;
  codec.freeContext();
  throw new DhError('audio_invalid', `the ${name} sound track is damaged`);
}

type About = Omit<SoundInfo, 'statedS' | 'heldS'>;

function describe(format: FormatContext, codec: CodecContext, stream: Stream, sizeBytes: number): About {
  let durationS = inSeconds(stream.duration, stream.timeBase) ?? inSeconds(format.duration, MICROSECONDS);
  const codecName = avGetCodecName(stream.codecpar.codecId) ?? 'unknown';
  const bitRate = Number(stream.codecpar.bitRate);
  // PCM cannot be longer than its bytes, whatever the header says.
  if (durationS !== null && codecName.startsWith('pcm_') && bitRate > 0) {
    durationS = Math.min(durationS, (sizeBytes * 8) / bitRate);
  }
  return {
    container: format.iformat?.name ?? 'unknown',
    codec: codecName,
    rateHz: codec.sampleRate,
    channels: codec.channels,
    durationS,
  };
}

/** What the header promises, and what is there of it as far as the bytes tell without decoding. */
async function lengthOf(
  path: string,
  sizeBytes: number,
  { container }: About,
  stream: Stream,
  stated: readonly (number | null)[],
): Promise<Pick<SoundInfo, 'statedS' | 'heldS'>> {
  const bytesPerS = Number(stream.codecpar.bitRate) / 8;
  if (container === 'wav') {
    const data = await wavData(path);
    if (data === null || bytesPerS <= 0) return { statedS: null, heldS: null };
    return { statedS: data.bytes / bytesPerS, heldS: Math.min(data.bytes, sizeBytes - data.offset) / bytesPerS };
  }
  const statedS = stated[stream.index] ?? null;
  // With its Info header the bit rate of an MP3 is the average.
  if (container === 'mp3' && statedS !== null) return { statedS, heldS: sizeBytes / bytesPerS };
  return { statedS, heldS: null };
}

function inSeconds(duration: bigint, { num, den }: { num: number; den: number }): number | null {
  return duration > 0n && duration !== AV_NOPTS_VALUE ? (Number(duration) * num) / den : null;
}

/** Samples at 48 kHz in a number of seconds. */
export function samplesOf(seconds: number): number {
  return Math.round(seconds * SAMPLE_RATE);
}

function notSound(found: string): DhError {
  return new DhError('audio_invalid', `not audio: ${found}`, {
    hint: 'WAV, MP3, OGG/Opus, FLAC, M4A/AAC and the sound of MP4, MOV, WebM and MKV can be decoded.',
  });
}
