import { Codec, CodecContext, FFmpegError, Frame, Packet, Rational } from 'node-av';
import {
  AV_CHANNEL_ORDER_NATIVE,
  AV_OPT_SEARCH_CHILDREN,
  AV_OPT_TYPE_BOOL,
  AV_OPT_TYPE_STRING,
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  AV_PKT_FLAG_KEY,
  AV_SAMPLE_FMT_S16,
  FF_ENCODER_LIBOPUS,
  FF_ENCODER_LIBX264,
} from 'node-av/constants';
import {
  CHUNK_SAMPLES,
  FRAME_RATE,
  OPUS_SAMPLES,
  SAMPLE_RATE,
  type AccessUnit,
  type OpusPacket,
} from '../../src/units.js';

/** Blocks that carry the frame number, most significant bit left. */
export const TIMECODE_BITS = 16;

/**
 * A test picture and a test tone, encoded as the server does: the upper half of the picture shows the frame number as
 * black and white blocks, the lower half moving noise; the picture is whole white at the bottom while the tone sounds,
 * for the first 3 of every 25 frames.
 */
export class TestMedia {
  readonly #video = new CodecContext();
  readonly #audio = new CodecContext();
  readonly #frame = new Frame();
  readonly #sound = new Frame();
  readonly #packet = new Packet();
  readonly #width: number;
  readonly #height: number;
  #soundPts = 0n;
  idrs = 0;
  idrWanted = true;

  constructor(width = 640, height = 360, bitsPerS = 1_500_000) {
    this.#width = width;
    this.#height = height;
    const x264 = Codec.findEncoderByName(FF_ENCODER_LIBX264);
    this.#video.allocContext3(x264);
    this.#video.width = width;
    this.#video.height = height;
    this.#video.pixelFormat = AV_PIX_FMT_YUV420P;
    this.#video.timeBase = new Rational(1, FRAME_RATE);
    this.#video.framerate = new Rational(FRAME_RATE, 1);
    this.#video.bitRate = BigInt(bitsPerS);
    this.#video.gopSize = 100_000;
    this.#video.maxBFrames = 0;
    this.#video.threadCount = 1;
    setOptions(this.#video, {
      preset: 'ultrafast',
      tune: 'zerolatency',
      profile: 'baseline',
      'x264-params': 'scenecut=0:repeat-headers=1:annexb=1',
    });
    this.#video.setOption('forced-idr', true, AV_OPT_TYPE_BOOL, AV_OPT_SEARCH_CHILDREN);
    FFmpegError.throwIfError(this.#video.open2Sync(x264), 'x264');
    this.#frame.alloc();
    this.#frame.width = width;
    this.#frame.height = height;
    this.#frame.format = AV_PIX_FMT_YUV420P;
    FFmpegError.throwIfError(this.#frame.getBuffer(0), 'picture');
    this.#packet.alloc();

    const opus = Codec.findEncoderByName(FF_ENCODER_LIBOPUS);
    this.#audio.allocContext3(opus);
    const channelLayout = { nbChannels: 1, order: AV_CHANNEL_ORDER_NATIVE, mask: 4n };
    this.#audio.sampleRate = SAMPLE_RATE;
    this.#audio.sampleFormat = AV_SAMPLE_FMT_S16;
    this.#audio.channelLayout = channelLayout;
    this.#audio.bitRate = 48_000n;
    this.#audio.timeBase = new Rational(1, SAMPLE_RATE);
    FFmpegError.throwIfError(this.#audio.open2Sync(opus), 'opus');
    this.#sound.alloc();
    this.#sound.format = AV_SAMPLE_FMT_S16;
    this.#sound.sampleRate = SAMPLE_RATE;
    this.#sound.channelLayout = channelLayout;
    this.#sound.nbSamples = OPUS_SAMPLES;
    FFmpegError.throwIfError(this.#sound.getBuffer(0), 'sound');
  }

  picture(n: number): AccessUnit {
    FFmpegError.throwIfError(this.#frame.makeWritable(), 'writable');
    const [y, u, v] = this.#frame.data!;
    const [strideY, strideU] = this.#frame.linesize;
    const tone = n % 25 < 3;
    for (let row = 0; row < this.#height; row += 1) {
      const line = y!.subarray(row * strideY!, row * strideY! + this.#width);
      if (row < this.#height / 2) {
        for (let bit = 0; bit < TIMECODE_BITS; bit += 1) {
          const from = Math.floor((bit * this.#width) / TIMECODE_BITS);
          const value = ((n >> (TIMECODE_BITS - 1 - bit)) & 1) === 1 ? 235 : 16;
          line.fill(value, from, Math.floor(((bit + 1) * this.#width) / TIMECODE_BITS));
        }
      } else if (row > this.#height * 0.8) {
        line.fill(tone ? 235 : 16);
      } else {
        for (let x = 0; x < this.#width; x += 1) line[x] = 64 + (((x + n * 3) ^ row) & 127);
      }
    }
    u!.fill(128, 0, (strideU! * this.#height) / 2);
    v!.fill(128, 0, (strideU! * this.#height) / 2);
    this.#frame.pts = BigInt(n);
    this.#frame.pictType = this.idrWanted ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    this.idrWanted = false;
    FFmpegError.throwIfError(this.#video.sendFrameSync(this.#frame), 'encode');
    FFmpegError.throwIfError(this.#video.receivePacketSync(this.#packet), 'encoded');
    const keyFrame = (this.#packet.flags & AV_PKT_FLAG_KEY) !== 0;
    if (keyFrame) this.idrs += 1;
    const data = Uint8Array.from(this.#packet.data!);
    this.#packet.unref();
    return { data, keyFrame, frame: n };
  }

  sound(n: number): OpusPacket[] {
    const packets: OpusPacket[] = [];
    for (let part = 0; part < 2; part += 1) {
      FFmpegError.throwIfError(this.#sound.makeWritable(), 'writable');
      const data = this.#sound.data![0]!;
      const first = n * CHUNK_SAMPLES + part * OPUS_SAMPLES;
      for (let i = 0; i < OPUS_SAMPLES; i += 1) {
        const tone = n % 25 < 3 ? Math.sin((2 * Math.PI * 440 * (first + i)) / SAMPLE_RATE) * 12_000 : 0;
        data.writeInt16LE(Math.round(tone), i * 2);
      }
      this.#sound.pts = this.#soundPts;
      this.#soundPts += BigInt(OPUS_SAMPLES);
      FFmpegError.throwIfError(this.#audio.sendFrameSync(this.#sound), 'encode');
      if (this.#audio.receivePacketSync(this.#packet) >= 0) {
        packets.push({ data: Uint8Array.from(this.#packet.data!), sample: first });
        this.#packet.unref();
      }
    }
    return packets;
  }

  close(): void {
    this.#video.freeContext();
    this.#audio.freeContext();
    this.#frame.free();
    this.#sound.free();
    this.#packet.free();
  }
}

/** Without a dictionary: one that was given to `open2` is freed twice. */
function setOptions(context: CodecContext, options: Record<string, string>): void {
  for (const [name, value] of Object.entries(options)) {
    FFmpegError.throwIfError(context.setOption(name, value, AV_OPT_TYPE_STRING, AV_OPT_SEARCH_CHILDREN), name);
  }
}
