import {
  AVERROR_EOF,
  AVMEDIA_TYPE_AUDIO,
  AVMEDIA_TYPE_VIDEO,
  FF_DECODER_H264,
  FF_DECODER_LIBOPUS,
  type AVMediaType,
  type FFDecoderCodec,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, FormatContext, Frame, Packet, Rational, type Stream } from 'node-av/lib';
import { MONO } from '../../src/stream/encoders/opus-encoder.js';

/** A decoder of FFmpeg, packet by packet. */
export class TestDecoder {
  readonly context = new CodecContext();
  readonly #frame = new Frame();
  readonly #packet = new Packet();

  constructor(source: Stream | FFDecoderCodec) {
    const codec =
      typeof source === 'string' ? Codec.findDecoderByName(source) : Codec.findDecoder(source.codecpar.codecId);
    this.context.allocContext3(codec);
    if (typeof source !== 'string') this.context.parametersToContext(source.codecpar);
    if (source === FF_DECODER_LIBOPUS) {
      this.context.sampleRate = 48_000;
      this.context.channelLayout = MONO;
    }
    this.context.pktTimebase = typeof source === 'string' ? new Rational(1, 48_000) : source.timeBase;
    this.context.threadCount = 1;
    this.context.setOption('flags', '+low_delay');
    FFmpegError.throwIfError(this.context.open2Sync(codec, null), 'decoder');
    this.#frame.alloc();
    this.#packet.alloc();
  }

  /** `visit` sees every frame that comes out; the frame is reused. */
  decode(data: Uint8Array | Packet | null, visit: (frame: Frame) => void): void {
    if (data instanceof Uint8Array) this.#packet.data = Buffer.from(data);
    const packet = data instanceof Uint8Array ? this.#packet : data;
    FFmpegError.throwIfError(this.context.sendPacketSync(packet), 'packet');
    for (;;) {
      const status = this.context.receiveFrameSync(this.#frame);
      if (status < 0) return;
      visit(this.#frame);
      this.#frame.unref();
    }
  }

  close(): void {
    this.context.freeContext();
    this.#frame.free();
    this.#packet.free();
  }
}

export function h264Decoder(): TestDecoder {
  return new TestDecoder(FF_DECODER_H264);
}

export function opusDecoder(): TestDecoder {
  return new TestDecoder(FF_DECODER_LIBOPUS);
}

/** Decodes all of a file; `visit` gets each frame, its kind and its time in seconds. */
export function decodeFile(
  path: string,
  visit: (kind: 'video' | 'sound', frame: Frame, timeS: number) => void,
): { durationS: number } {
  const format = new FormatContext();
  FFmpegError.throwIfError(format.openInputSync(path), 'open');
  FFmpegError.throwIfError(format.findStreamInfoSync(), 'probe');
  const decoders = new Map<number, { kind: 'video' | 'sound'; decoder: TestDecoder; timeBase: Rational }>();
  for (const stream of format.streams) {
    const kind = kindOf(stream.codecpar.codecType);
    decoders.set(stream.index, { kind, decoder: new TestDecoder(stream), timeBase: stream.timeBase });
  }
  const packet = new Packet();
  packet.alloc();
  const drain = (index: number, data: Packet | null): void => {
    const entry = decoders.get(index);
    if (!entry) throw new Error(`no stream ${index}`);
    entry.decoder.decode(data, (frame) => {
      visit(entry.kind, frame, (Number(frame.pts) * entry.timeBase.num) / entry.timeBase.den);
    });
  };
  for (;;) {
    const status = format.readFrameSync(packet);
    if (status === AVERROR_EOF) break;
    FFmpegError.throwIfError(status, 'read');
    drain(packet.streamIndex, packet);
    packet.unref();
  }
  for (const index of decoders.keys()) drain(index, null);
  for (const { decoder } of decoders.values()) decoder.close();
  const durationS = Number(format.duration) / 1e6;
  format.closeInputSync();
  packet.free();
  return { durationS };
}

function kindOf(type: AVMediaType): 'video' | 'sound' {
  if (type === AVMEDIA_TYPE_VIDEO) return 'video';
  if (type === AVMEDIA_TYPE_AUDIO) return 'sound';
  throw new Error('a stream that is neither sound nor picture');
}
