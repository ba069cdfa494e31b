import { SeededRandom } from '../../bench/lib/random.js';

/** The random numbers of one step: the same for the same seed, kind and number, whatever ran before it. */
export class FuzzRandom extends SeededRandom {
  static ofStep(seed: number, kind: string, step: number): FuzzRandom {
    let hash = 0x811c9dc5;
    for (const char of `${seed}:${kind}:${step}`) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
    return new FuzzRandom(hash);
  }

  /** True with probability `share`. */
  chance(share: number): boolean {
    return this.next() < share;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i++) bytes[i] = this.next() * 256;
    return bytes;
  }

  /** Mostly short, now and then as long as `max`. */
  length(max: number): number {
    return Math.floor(max * this.next() ** 4);
  }

  word(length = this.between(1, 12)): string {
    return Array.from({ length }, () => this.pick([...'abcdefghijklmnopqrstuvwxyz0123456789-_'])).join('');
  }

  /** An address of this machine's loopback net, so that limits per address do not shield the server from the rest. */
  loopback(): string {
    return `127.${this.between(1, 250)}.${this.between(0, 255)}.${this.between(1, 254)}`;
  }
}
