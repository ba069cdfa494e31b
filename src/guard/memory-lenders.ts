/** A process that stays, with its part of the limit. */
export interface LenderPart {
  name: string;
  bytes: number;
}

/**
 * What a lender uses: what is accounted for, and what it really takes; the larger counts. What `before` names is left
 * out: an avatar is drawn before its session is opened, so the session's memory can be lent for that.
 */
export type LenderUse = (lender: string, before: string | undefined) => { accountedBytes: number; rssBytes: number };

/** By how much a lender is about to grow, and the share of their parts that all may use then. */
export interface Growth {
  name: string;
  bytes: number;
  share: number;
}

/** What is not lent under this name is nobody's. */
const SPARE = 'spare';

/** Who lends how much, in whole bytes. */
export class Lenders {
  #parts: readonly LenderPart[];
  #spareBytes: number;
  readonly #lent = new Map<string, number>();
  readonly #use: LenderUse;
  readonly #softShare: () => number;

  constructor(parts: readonly LenderPart[], spareBytes: number, use: LenderUse, softShare: () => number) {
    this.#parts = parts;
    this.#spareBytes = spareBytes;
    this.#use = use;
    this.#softShare = softShare;
  }

  /** The whole of it: all parts, and what is nobody's. */
  get totalBytes(): number {
    return this.#parts.reduce((sum, { bytes }) => sum + bytes, this.#spareBytes);
  }

  /** What is nobody's and not lent. */
  get spareBytes(): number {
    return this.#spareBytes - (this.#lent.get(SPARE) ?? 0);
  }

  /** A lender's part without what it has lent. */
  limitBytes(name: string): number {
    return (this.#parts.find((part) => part.name === name)?.bytes ?? 0) - (this.#lent.get(name) ?? 0);
  }

  /** What all lenders could lend without going over their soft level. */
  lendableBytes(before?: string): number {
    return this.#parts.reduce((sum, { name }) => sum + this.#lendable(name, before), 0);
  }

  /**
   * Takes so many bytes, first those that are nobody's, then from the lenders: from the last one, control, only what the
   * others cannot lend, from these in proportion. Null, and nothing is taken, when they have less.
   */
  take(bytes: number, before?: string): Map<string, number> | null {
    const from = new Map<string, number>();
    let left = bytes;
    const take = (name: string, some: number): void => {
      if (some <= 0) return;
      from.set(name, (from.get(name) ?? 0) + some);
      left -= some;
    };
    take(SPARE, Math.min(left, this.spareBytes));
    for (const group of [this.#parts.slice(0, -1), this.#parts.slice(-1)]) {
      const lendable = group.map(({ name }) => ({ name, most: this.#lendable(name, before) }));
      const all = lendable.reduce((sum, { most }) => sum + most, 0);
      const share = all > 0 ? Math.min(left, all) / all : 0;
      for (const { name, most } of lendable) take(name, Math.min(left, most, Math.ceil(share * most)));
    }
    if (left > 0) return null;
    for (const [name, some] of from) this.#lent.set(name, (this.#lent.get(name) ?? 0) + some);
    return from;
  }

  giveBack(from: ReadonlyMap<string, number>): void {
    for (const [name, some] of from) this.#lent.set(name, Math.max(0, (this.#lent.get(name) ?? 0) - some));
  }

  /** Whether other parts would be enough for what is used, for so much that is lent, and for one of them to grow. */
  bears(parts: readonly LenderPart[], spareBytes: number, lentBytes: number, growth: Growth): boolean {
    let free = spareBytes;
    for (const { name, bytes } of parts) {
      const { accountedBytes, rssBytes } = this.#use(name, undefined);
      const grows = name === growth.name ? growth.bytes : 0;
      if (Math.max(accountedBytes, rssBytes) + grows > bytes * growth.share) return false;
      if (grows === 0) free += Math.max(0, bytes - this.#keeps(name, undefined));
    }
    return free >= lentBytes;
  }

  /** Whether the parts are these already. */
  areLike(parts: readonly LenderPart[], spareBytes: number): boolean {
    return (
      spareBytes === this.#spareBytes &&
      parts.length === this.#parts.length &&
      parts.every(({ name, bytes }, i) => this.#parts[i]?.name === name && this.#parts[i].bytes === bytes)
    );
  }

  /** Other parts, of which nothing is lent: what was has to be taken again. */
  divide(parts: readonly LenderPart[], spareBytes: number): void {
    this.#parts = parts;
    this.#spareBytes = spareBytes;
    this.#lent.clear();
  }

  #lendable(name: string, before: string | undefined): number {
    return Math.max(0, Math.floor(this.limitBytes(name) - this.#keeps(name, before)));
  }

  /** The limit under which a lender is at its soft level. */
  #keeps(name: string, before: string | undefined): number {
    const { accountedBytes, rssBytes } = this.#use(name, before);
    return Math.ceil(Math.max(accountedBytes, rssBytes) / this.#softShare());
  }
}
