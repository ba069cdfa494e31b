import { AV_CHANNEL_LAYOUT_MONO, AV_SAMPLE_FMT_S16 } from 'node-av/constants';
import { FFmpegError, SoftwareResampleContext } from 'node-av/lib';
import { CHUNK_SAMPLES, SAMPLE_RATE, type Closable } from '../units.js';
import { checkRate } from './rate.js';

/** Input that goes through the resampler in one call: bounds the memory, whatever the length of a write. */
const BLOCK_MS = 20;

/**
 * Receives 40 ms of sound.
 * @param samples `CHUNK_SAMPLES` samples; the door's own memory, valid only during the call.
 * @param lengthSamples How many of them are sound: less than `CHUNK_SAMPLES` only in the chunk that `flush` makes.
 */
export type ChunkSink = (samples: Int16Array, lengthSamples: number) => void;

/**
 * Where sound comes in: mono 16-bit PCM of any rate, in pieces of any length, becomes chunks of 40 ms at 48 kHz.
 *
 * The resampler (FFmpeg's swresample) is exact over any time: after n input samples at rate r and a flush, the
 * output is n · 48000 / r samples, and nothing is shifted. It looks ahead by 2 ms at 8 kHz and less above.
 * All memory is allocated at construction.
 */
export class PcmDoor implements Closable {
  readonly rateHz: number;
  readonly #swr = new SoftwareResampleContext();
  readonly #in: Int16Array;
  readonly #out: Int16Array;
  readonly #inPlanes: Buffer[];
  readonly #outPlanes: Buffer[];
  readonly #chunk = new Int16Array(CHUNK_SAMPLES);
  #filled = 0;
  #inSamples = 0;
  #outSamples = 0;
  #closed = false;

  /** @throws DhError `rate_invalid`. */
  constructor(rateHz: number) {
    this.rateHz = checkRate(rateHz);
    const mono = AV_CHANNEL_LAYOUT_MONO;
    const set = this.#swr.allocSetOpts2(mono, AV_SAMPLE_FMT_S16, SAMPLE_RATE, mono, AV_SAMPLE_FMT_S16, rateHz);
    FFmpegError.throwIfError(set, 'swr_alloc_set_opts2');
    FFmpegError.throwIfError(this.#swr.init(), 'swr_init');
    this.#in = new Int16Array(Math.ceil((rateHz * BLOCK_MS) / 1000));
    this.#out = new Int16Array(this.#swr.getOutSamples(this.#in.length) + CHUNK_SAMPLES);
    this.#inPlanes = [bytesOf(this.#in)];
    this.#outPlanes = [bytesOf(this.#out)];
  }

  /** Takes sound in; calls `sink` for every chunk that is full. The samples are copied. */
  write(pcm: Int16Array, sink: ChunkSink): void {
    if (this.#closed) return;
    for (let at = 0; at < pcm.length;) {
      const count = Math.min(this.#in.length, pcm.length - at);
      copySamples(pcm, at, this.#in, 0, count);
      at += count;
      this.#inSamples += count;
      this.#emit(this.#convert(this.#inPlanes, count), sink);
    }
  }

  /**
   * Ends the sound: what the resampler holds comes out, and the last chunk is filled up with silence. After it the
   * door is as new. Calls `sink` at least once more only when there is something left.
   */
  flush(sink: ChunkSink): void {
    if (this.#closed) return;
    // Sound that is shorter than the resampler's filter comes out of it with another length: the count is what holds.
    const target = Math.round((this.#inSamples * SAMPLE_RATE) / this.rateHz);
    while (this.#outSamples < target) {
      let count = this.#convert(null, 0);
      if (count === 0) {
        this.#out.fill(0);
        count = this.#out.length;
      }
      this.#emit(Math.min(count, target - this.#outSamples), sink);
    }
    const length = this.#filled;
    this.reset();
    if (length === 0) return;
    this.#chunk.fill(0, length);
    sink(this.#chunk, length);
  }

  /** Forgets the sound that has not come out yet. */
  reset(): void {
    if (this.#closed) return;
    this.#filled = 0;
    this.#inSamples = 0;
    this.#outSamples = 0;
    this.#swr.close();
    FFmpegError.throwIfError(this.#swr.init(), 'swr_init');
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#swr.free();
  }

  #convert(planes: Buffer[] | null, count: number): number {
    const made = this.#swr.convertSync(this.#outPlanes, this.#out.length, planes, count);
    FFmpegError.throwIfError(made, 'swr_convert');
    return made;
  }

  #emit(count: number, sink: ChunkSink): void {
    this.#outSamples += count;
    for (let at = 0; at < count;) {
      const part = Math.min(CHUNK_SAMPLES - this.#filled, count - at);
      copySamples(this.#out, at, this.#chunk, this.#filled, part);
      at += part;
      this.#filled += part;
      if (this.#filled < CHUNK_SAMPLES) return;
      this.#filled = 0;
      sink(this.#chunk, CHUNK_SAMPLES);
    }
  }
}

/** Copies without making a view, which `set` and `subarray` would. */
function copySamples(from: Int16Array, fromAt: number, to: Int16Array, toAt: number, count: number): void {
  for (let i = 0; i < count; i++) to[toAt + i] = from[fromAt + i]!;
}

function bytesOf(samples: Int16Array): Buffer {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
}
