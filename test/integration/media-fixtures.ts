import {
  AV_CHANNEL_LAYOUT_MONO,
  AV_CHANNEL_LAYOUT_STEREO,
  AV_PIX_FMT_YUV420P,
  AV_SAMPLE_FMT_FLTP,
  AV_SAMPLE_FMT_S16,
  AV_SAMPLE_FMT_S16P,
  AVFMT_GLOBALHEADER,
  AV_CODEC_FLAG_GLOBAL_HEADER,
  type FFEncoderCodec,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, FormatContext, Frame, Packet, Rational } from 'node-av/lib';

export type SampleKind = 'u8' | 's16' | 's24' | 's32' | 'f32';
const BYTES: Record<SampleKind, number> = { u8: 1, s16: 2, s24: 3, s32: 4, f32: 4 };

export interface WavOptions {
  rateHz: number;
  channels?: number;
  kind?: SampleKind;
  /** Speakers of an extensible header. */
  mask?: number;
  /** What the header says the data's length is, instead of the truth. */
  statedBytes?: number;
}

/** A WAV file: `value(sample, channel)` is −1…1. */
export function wav(samples: number, value: (i: number, channel: number) => number, options: WavOptions): Buffer {
  const { rateHz, channels = 1, kind = 's16', mask } = options;
  const bytes = BYTES[kind];
  const data = Buffer.alloc(samples * channels * bytes);
  for (let i = 0, at = 0; i < samples; i++) {
    for (let channel = 0; channel < channels; channel++, at += bytes) {
      const v = value(i, channel);
      if (kind === 'u8') data.writeUInt8(Math.round(128 + v * 127), at);
      else if (kind === 'f32') data.writeFloatLE(v, at);
      else data.writeIntLE(Math.round(v * (2 ** (bytes * 8 - 1) - 1)), at, bytes);
    }
  }
  const tag = kind === 'f32' ? 3 : 1;
  const format = Buffer.alloc(mask === undefined ? 16 : 40);
  format.writeUInt16LE(mask === undefined ? tag : 0xfffe, 0);
  format.writeUInt16LE(channels, 2);
  format.writeUInt32LE(rateHz, 4);
  format.writeUInt32LE(rateHz * channels * bytes, 8);
  format.writeUInt16LE(channels * bytes, 12);
  format.writeUInt16LE(bytes * 8, 14);
  if (mask !== undefined) {
    format.writeUInt16LE(22, 16);
    format.writeUInt16LE(bytes * 8, 18);
    format.writeUInt32LE(mask, 20);
    format.writeUInt16LE(tag, 24);
    Buffer.from('000000001000800000aa00389b71', 'hex').copy(format, 26);
  }
  const stated = options.statedBytes ?? data.length;
  const head = Buffer.alloc(12);
  head.write('RIFF', 0);
  head.writeUInt32LE(Math.min(0xffffffff, 4 + 8 + format.length + 8 + stated), 4);
  head.write('WAVE', 8);
  return Buffer.concat([head, chunk('fmt ', format.length), format, chunk('data', stated), data]);
}

function chunk(name: string, length: number): Buffer {
  const head = Buffer.alloc(8);
  head.write(name, 0);
  head.writeUInt32LE(length >>> 0, 4);
  return head;
}

/** A tone of half the full scale. */
export const tone =
  (rateHz: number, hz = 440) =>
  (i: number): number =>
    0.5 * Math.sin((2 * Math.PI * hz * i) / rateHz);

export interface EncodeOptions {
  /** FFmpeg's name of it. */
  encoder: string;
  rateHz: number;
  seconds: number;
  stereo?: boolean;
  value?: (i: number) => number;
}

const must = (code: number, what: string): number => {
  FFmpegError.throwIfError(code, what);
  return code;
};

/** Encodes sound into a file; the container follows from the path's ending. */
export function encodeSound(path: string, options: EncodeOptions): void {
  const { rateHz, seconds, value = tone(rateHz) } = options;
  const codec = Codec.findEncoderByName(options.encoder as FFEncoderCodec)!;
  const formats = codec.sampleFormats ?? [AV_SAMPLE_FMT_S16];
  const format = [AV_SAMPLE_FMT_FLTP, AV_SAMPLE_FMT_S16, AV_SAMPLE_FMT_S16P].find((each) => formats.includes(each))!;
  const layout = options.stereo ? AV_CHANNEL_LAYOUT_STEREO : AV_CHANNEL_LAYOUT_MONO;
  const channels = layout.nbChannels;
  const total = Math.round(seconds * rateHz);
  encode(path, codec, (context) => {
    context.sampleRate = rateHz;
    context.sampleFormat = format;
    context.channelLayout = layout;
    context.bitRate = 64_000n;
    context.timeBase = new Rational(1, rateHz);
    return function* () {
      const step = context.frameSize > 0 ? context.frameSize : 1024;
      for (let at = 0; at < total; at += step) {
        const count = Math.min(step, total - at);
        const float = format === AV_SAMPLE_FMT_FLTP;
        const planar = format !== AV_SAMPLE_FMT_S16;
        const samples = float ? new Float32Array(count * channels) : new Int16Array(count * channels);
        for (let i = 0; i < count; i++) {
          const v = float ? value(at + i) : Math.round(value(at + i) * 32_767);
          for (let c = 0; c < channels; c++) samples[planar ? c * count + i : i * channels + c] = v;
        }
        yield Frame.fromAudioBuffer(Buffer.from(samples.buffer), {
          nbSamples: count,
          format,
          sampleRate: rateHz,
          channelLayout: layout,
          pts: BigInt(at),
          timeBase: { num: 1, den: rateHz },
        });
      }
    };
  });
}

/** A film of half a second without sound. */
export function encodeSilentFilm(path: string): void {
  encode(path, Codec.findEncoderByName('mpeg4' as FFEncoderCodec)!, (context) => {
    context.width = 64;
    context.height = 64;
    context.pixelFormat = AV_PIX_FMT_YUV420P;
    context.timeBase = new Rational(1, 25);
    return function* () {
      for (let i = 0; i < 12; i++) {
        const picture = Buffer.alloc((64 * 64 * 3) / 2, i * 10);
        yield Frame.fromVideoBuffer(picture, {
          width: 64,
          height: 64,
          format: AV_PIX_FMT_YUV420P,
          pts: BigInt(i),
          timeBase: { num: 1, den: 25 },
        });
      }
    };
  });
}

function encode(path: string, codec: Codec, configure: (context: CodecContext) => () => Generator<Frame>): void {
  const output = new FormatContext();
  must(output.allocOutputContext2(null, null, path), 'output');
  const context = new CodecContext();
  context.allocContext3(codec);
  const frames = configure(context);
  if (output.oformat?.hasFlags(AVFMT_GLOBALHEADER)) context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  must(context.open2Sync(codec), 'encoder');
  const stream = output.newStream(codec);
  must(stream.codecpar.fromContext(context), 'parameters');
  stream.timeBase = context.timeBase;
  must(output.openOutputSync(), 'open');
  must(output.writeHeaderSync(), 'header');
  const packet = new Packet();
  packet.alloc();
  const drain = (): void => {
    while (context.receivePacketSync(packet) >= 0) {
      packet.streamIndex = stream.index;
      packet.rescaleTs(context.timeBase, stream.timeBase);
      must(output.interleavedWriteFrameSync(packet), 'write');
    }
  };
  for (const frame of frames()) {
    must(context.sendFrameSync(frame), 'frame');
    frame.free();
    drain();
  }
  must(context.sendFrameSync(null), 'flush');
  drain();
  must(output.writeTrailerSync(), 'trailer');
  packet.free();
  context.freeContext();
  output.closeOutputSync();
  output.freeContext();
}
