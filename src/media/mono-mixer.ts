import {
  AV_CHANNEL_LAYOUT_MONO,
  AV_CHANNEL_ORDER_NATIVE,
  AV_CHANNEL_ORDER_UNSPEC,
  AV_OPT_TYPE_SAMPLE_FMT,
  AV_SAMPLE_FMT_FLTP,
  AV_SAMPLE_FMT_S16,
  type AVSampleFormat,
} from 'node-av/constants';
import { FFmpegError, SoftwareResampleContext, type ChannelLayout, type Frame } from 'node-av/lib';
import { DhError } from '../errors.js';
import { SAMPLE_RATE, type Closable } from '../units.js';

/** What speakers are meant when a file only says how many channels it has (as FFmpeg and WAVE_FORMAT_PCM have it). */
const USUAL_MASKS: Readonly<Record<number, bigint>> = {
  1: 0x4n, // mono
  2: 0x3n, // stereo
  3: 0xbn, // 2.1
  4: 0x107n, // 4.0
  5: 0x37n, // 5.0
  6: 0x3fn, // 5.1
  7: 0x70fn, // 6.1
  8: 0x63fn, // 7.1
};

/** Fewer samples than this do not fill the resampler's filter: it would give less than it was given, or nothing. */
const SHORT_SAMPLES = 1024;

/**
 * Decoded frames of any rate, sample format and channel layout become 48 kHz mono 16-bit. Known layouts are mixed
 * by their speakers' weights (centre full, sides and surround less, LFE left out), scaled so that nothing clips;
 * others, all channels alike. A change of format in the middle is followed without losing a sample.
 */
export class MonoMixer implements Closable {
  #swr: SoftwareResampleContext | null = null;
  #rateHz = 0;
  #format: AVSampleFormat | -1 = -1;
  #channels = 0;
  #mask = -1n;
  #out = new Int16Array(0);
  /** Samples of the present format that went in, and that came out of them. */
  #taken = 0;
  #made = 0;

  /**
   * @returns The sound of the frame as far as it is ready: a view that the next call overwrites.
   * @throws DhError `audio_unsupported` when there is no way to mix it.
   */
  mix(frame: Frame): Int16Array {
    const layout = frame.channelLayout;
    let kept = 0;
    if (
      this.#swr === null ||
      frame.sampleRate !== this.#rateHz ||
      frame.format !== this.#format ||
      layout.nbChannels !== this.#channels ||
      layout.mask !== this.#mask
    ) {
      kept = this.flush().length;
      this.#configure(frame, layout);
    }
    const swr = this.#swr!;
    this.#taken += frame.nbSamples;
    this.#reserve(kept + swr.getOutSamples(frame.nbSamples), kept);
    return this.#out.subarray(0, kept + this.#convert(swr, kept, frame.extendedData ?? frame.data, frame.nbSamples));
  }

  /** @returns What the resampler still holds: a view that the next call overwrites. */
  flush(): Int16Array {
    const swr = this.#swr;
    if (swr === null) return this.#out.subarray(0, 0);
    const short = this.#taken < SHORT_SAMPLES && this.#rateHz !== SAMPLE_RATE;
    const missing = short ? Math.max(1, Math.round((this.#taken * SAMPLE_RATE) / this.#rateHz)) - this.#made : Infinity;
    if (short) FFmpegError.throwIfError(swr.injectSilence(SHORT_SAMPLES), 'swr_inject_silence');
    this.#reserve(swr.getOutSamples(0) + SAMPLE_RATE / 10, 0);
    let length = 0;
    for (;;) {
      const made = this.#convert(swr, length, null, 0);
      if (made === 0) break;
      length += made;
      this.#reserve(length + SAMPLE_RATE / 10, length);
    }
    this.close();
    return this.#out.subarray(0, Math.min(length, missing));
  }

  close(): void {
    this.#swr?.free();
    this.#swr = null;
  }

  #convert(swr: SoftwareResampleContext, at: number, planes: Buffer[] | null, count: number): number {
    const room = this.#out.subarray(at);
    const made = swr.convertSync(
      [Buffer.from(room.buffer, room.byteOffset, room.byteLength)],
      room.length,
      planes,
      count,
    );
    FFmpegError.throwIfError(made, 'swr_convert');
    this.#made += made;
    return made;
  }

  /** Makes the output hold `samples`, keeping the first `kept`. */
  #reserve(samples: number, kept: number): void {
    if (samples <= this.#out.length) return;
    const larger = new Int16Array(Math.ceil(samples * 1.25));
    larger.set(this.#out.subarray(0, kept));
    this.#out = larger;
  }

  #configure(frame: Frame, layout: ChannelLayout): void {
    this.#taken = 0;
    this.#made = 0;
    this.#rateHz = frame.sampleRate;
    this.#format = frame.format as AVSampleFormat;
    this.#channels = layout.nbChannels;
    this.#mask = layout.mask;
    const usual = USUAL_MASKS[layout.nbChannels];
    const known =
      layout.order === AV_CHANNEL_ORDER_UNSPEC && usual !== undefined
        ? { order: AV_CHANNEL_ORDER_NATIVE, nbChannels: layout.nbChannels, mask: usual }
        : layout;
    this.#swr = open(known, this.#format, this.#rateHz, false) ?? open(layout, this.#format, this.#rateHz, true);
    if (this.#swr === null) {
      const what = `${layout.nbChannels} channels at ${this.#rateHz} Hz`;
      throw new DhError('audio_unsupported', `sound of ${what} is not supported`);
    }
  }
}

/** @param alike Mix all channels with the same weight, whatever they are. */
function open(
  layout: ChannelLayout,
  format: AVSampleFormat,
  rateHz: number,
  alike: boolean,
): SoftwareResampleContext | null {
  const count = layout.nbChannels;
  const from = alike ? { order: AV_CHANNEL_ORDER_UNSPEC, nbChannels: count, mask: 0n } : layout;
  const swr = new SoftwareResampleContext();
  let code = swr.allocSetOpts2(AV_CHANNEL_LAYOUT_MONO, AV_SAMPLE_FMT_S16, SAMPLE_RATE, from, format, rateHz);
  if (code >= 0 && alike) code = swr.setMatrix(new Array<number>(count).fill(1 / count), count);
  // The 16-bit mix wraps around where rounded weights add up to a little more than one: 7.1 at full level did.
  if (code >= 0) code = swr.setOption('internal_sample_fmt', AV_SAMPLE_FMT_FLTP, AV_OPT_TYPE_SAMPLE_FMT);
  if (code >= 0) code = swr.init();
  if (code >= 0) return swr;
  swr.free();
  return null;
}
