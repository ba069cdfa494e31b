import { AV_PICTURE_TYPE_I, AV_PICTURE_TYPE_NONE } from 'node-av/constants';
import { type CodecContext, FFmpegError, Packet } from 'node-av/lib';
import type { PooledFrame } from '../../frames/frame-pool.js';
import type { AccessUnit } from '../../units.js';

/**
 * One frame in, one access unit out, of an open FFmpeg encoder that delays nothing. `AccessUnit.data` is memory of its
 * own, valid until the next call.
 */
export class UnitEncoder {
  readonly packet = new Packet();
  readonly #context: CodecContext;
  readonly #name: string;
  #output = Buffer.allocUnsafeSlow(64 * 1024);

  /** @param name of the library, for errors */
  constructor(context: CodecContext, name: string) {
    this.#context = context;
    this.#name = name;
    this.packet.alloc();
  }

  /** Memory of the output. */
  get bytes(): number {
    return this.#output.length;
  }

  encode({ native }: PooledFrame, n: number, keyFrame: boolean): AccessUnit {
    const { packet } = this;
    native.pts = BigInt(n);
    native.pictType = keyFrame ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    FFmpegError.throwIfError(this.#context.sendFrameSync(native), `${this.#name}, frame in`);
    FFmpegError.throwIfError(this.#context.receivePacketSync(packet), `${this.#name}, packet out`);
    const packed = packet.data;
    if (packed === null) throw new Error(`${this.#name} gave an empty packet`);
    if (packed.length > this.#output.length) this.#output = Buffer.allocUnsafeSlow(2 * packed.length);
    packed.copy(this.#output);
    const unit = { data: this.#output.subarray(0, packed.length), keyFrame: packet.isKeyframe, frame: n };
    packet.unref();
    return unit;
  }

  /** Frees the encoder as well. */
  free(): void {
    this.#context.freeContext();
    this.packet.free();
  }
}
