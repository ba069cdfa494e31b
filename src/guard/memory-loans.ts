import { DhError } from '../errors.js';
import type { Closable, MemoryLoan } from '../units.js';
import type { TrimLevel } from './memory-registry.js';
import { Lenders, type Growth, type LenderPart, type LenderUse } from './memory-lenders.js';

/** What a process that comes and goes asks for. */
export interface LoanRequest {
  /** Whose it is: `bake`, `media`, `render-0`, `measure`. */
  process: string;
  /** What it is for, as the subject of a sentence about it: `Drawing an avatar`. */
  what: string;
  /** Less is of no use. */
  leastBytes: number;
  /** What it takes when nobody has use for it. */
  comfortableBytes: number;
  /**
   * It is soon over: it may have up to half of what control and stages do not use, not only what is nobody's, and loans
   * that are not brief are called back for it.
   */
  brief: boolean;
  /** How long it can wait, in ms. */
  patienceMs: number;
  /** What is not yet counted as used for this one, see `LenderUse`. */
  before?: string;
  /** Ends the waiting with its reason. */
  signal?: AbortSignal;
}

/** A loan, as `GET /memory` shows it. */
export interface LoanView {
  process: string;
  what: string;
  bytes: number;
  /** Where it comes from: `spare`, or the processes that lend it. */
  from: Record<string, number>;
  /** It has to be given back at once. */
  recalled: boolean;
}

/** While it is open, nothing is lent but what is soon over. */
export interface MemoryHold {
  /** Twice is harmless. */
  close(): void;
}

export interface MemoryLoansOptions {
  /** Control last: what it lends it may soon need for its voices. */
  lenders: readonly LenderPart[];
  spareBytes: number;
  /** Share of its limit from which a process trims: a lender stays below that of what it has left. */
  softShare: () => number;
  use: LenderUse;
  /** A limit changed. */
  onChange?: () => void;
  /** Something has to wait; the error says for how much. */
  onShort?: (request: LoanRequest, shortage: DhError) => void;
}

interface Granted {
  request: LoanRequest;
  bytes: number;
  from: Map<string, number>;
  recall: AbortController;
}

interface Waiting {
  request: LoanRequest;
  grant: (loan: MemoryLoan) => void;
  refuse: (error: Error) => void;
}

const MB = 1e6;

/**
 * Lends memory to processes that come and go. A loan is taken from what is nobody's, then from what the processes that
 * stay do not use; each of these keeps so much that it stays under its soft level, and its limit is lower by what it lends
 * until the loan is given back. So what all of them may take together is never more than the limit of the server.
 */
export class MemoryLoans implements Closable {
  readonly #options: MemoryLoansOptions;
  readonly #lenders: Lenders;
  /** Oldest first. */
  readonly #granted = new Set<Granted>();
  readonly #waiting = new Set<Waiting>();
  #holds = 0;
  #closed = false;

  constructor(options: MemoryLoansOptions) {
    this.#options = options;
    this.#lenders = new Lenders(options.lenders, options.spareBytes, options.use, options.softShare);
  }

  /**
   * Lends memory as soon as there is room. Throws `memory_pressure`, with what is short, when there is none within the
   * request's patience; `shutting_down`; the reason of its signal.
   */
  borrow(request: LoanRequest): Promise<MemoryLoan> {
    if (this.#closed) return Promise.reject(shuttingDown());
    const { signal, patienceMs } = request;
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    const loan = this.tryBorrow(request);
    if (loan) return Promise.resolve(loan);
    return new Promise<MemoryLoan>((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        request,
        grant: (granted) => (leave(), resolve(granted)),
        refuse: (error) => (leave(), reject(error)),
      };
      const onAbort = (): void => waiting.refuse(signal?.reason as Error);
      const timer = setTimeout(() => waiting.refuse(this.shortage(request)), patienceMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiting);
      this.#options.onShort?.(request, this.shortage(request));
      this.#callBack();
    });
  }

  /** Lends memory now; null when there is no room. */
  tryBorrow(request: LoanRequest): MemoryLoan | null {
    const { leastBytes, comfortableBytes, brief, before } = request;
    if (!brief && (this.#holds > 0 || this.#briefWait)) return null;
    const spare = this.#lenders.spareBytes;
    const idle = this.#lenders.lendableBytes(before);
    if (spare + idle < leastBytes) return null;
    const free = spare + (brief ? Math.floor(idle / 2) : 0);
    const bytes = Math.ceil(Math.max(leastBytes, Math.min(comfortableBytes, free)));
    const from = this.#lenders.take(bytes, before);
    if (!from) return null;
    const granted: Granted = { request, bytes, from, recall: new AbortController() };
    this.#granted.add(granted);
    this.#options.onChange?.();
    return {
      bytes,
      recalled: granted.recall.signal,
      close: () => {
        if (!this.#granted.delete(granted)) return;
        this.#lenders.giveBack(granted.from);
        this.#options.onChange?.();
        this.look();
      },
    };
  }

  /** Lends to those that wait what has become free meanwhile. To be called whenever what is used may have changed. */
  look(): void {
    // First those that are soon over.
    for (const waiting of [...this.#waiting].sort((a, b) => Number(b.request.brief) - Number(a.request.brief))) {
      const loan = this.tryBorrow(waiting.request);
      if (loan) waiting.grant(loan);
    }
    this.#callBack();
  }

  /** Lends nothing that is not brief until what it returns is closed. */
  hold(): MemoryHold {
    this.#holds++;
    let held = true;
    const close = (): void => {
      if (!held) return;
      held = false;
      this.#holds--;
      this.look();
    };
    return { close };
  }

  /** The limit that a lender has now. */
  limitBytes(name: string): number {
    return this.#lenders.limitBytes(name);
  }

  /** The limit that it would have when all loans that are not brief had been given back. */
  limitBytesAtMost(name: string): number {
    let bytes = this.limitBytes(name);
    for (const { request, from } of this.#granted) if (!request.brief) bytes += from.get(name) ?? 0;
    return bytes;
  }

  /** What is lent to all of them, or to one process. */
  lentBytes(process?: string): number {
    let sum = 0;
    for (const { request, bytes } of this.#granted) {
      if (process === undefined || request.process === process) sum += bytes;
    }
    return sum;
  }

  /** What a lender has lent now. */
  lends(name: string): number {
    let sum = 0;
    for (const { from } of this.#granted) sum += from.get(name) ?? 0;
    return sum;
  }

  /**
   * Wants back what a lender, or without a name everybody, has lent: it is needed there. At its soft level loans that are
   * soon over are left alone.
   */
  recall(level: TrimLevel, lender?: string): void {
    const who = lender === undefined ? 'The server' : `The process ${lender}`;
    for (const { request, from, recall } of [...this.#granted]) {
      if ((lender !== undefined && !from.has(lender)) || (level === 'soft' && request.brief)) continue;
      recall.abort(calledBack(`${who} needs the memory that was lent.`));
    }
  }

  /** Whether the limit can be divided like this for one to grow, with nobody losing what it uses or has borrowed. */
  canDivide(lenders: readonly LenderPart[], spareBytes: number, growth: Growth): boolean {
    return this.#lenders.bears(lenders, spareBytes, this.lentBytes(), growth);
  }

  /** Divides the limit anew. Loans that it does not bear have to be given back, the newest first. */
  divide(lenders: readonly LenderPart[], spareBytes: number): void {
    if (this.#lenders.areLike(lenders, spareBytes)) return;
    this.#lenders.divide(lenders, spareBytes);
    for (const granted of this.#granted) {
      const { bytes, recall } = granted;
      const from = this.#lenders.take(bytes, granted.request.before);
      granted.from = from ?? new Map<string, number>();
      if (from) continue;
      recall.abort(calledBack('The memory limit of the server was lowered.'));
    }
    this.#options.onChange?.();
    this.look();
  }

  /** Why a request has to wait: what is short, and what would do. */
  shortage({ what, leastBytes, before }: LoanRequest): DhError {
    const free = Math.max(0, this.#lenders.spareBytes + this.#lenders.lendableBytes(before));
    const wouldDo = this.#lenders.totalBytes + leastBytes - free;
    return new DhError(
      'memory_pressure',
      `${what} needs ${Math.ceil(leastBytes / MB)} MB of memory, and ${Math.floor(free / MB)} MB are free.`,
      {
        hint:
          'Try again in a few seconds, end a session, or raise the memory limit (memory.maxMemoryMb, or that of the ' +
          `container): ${Math.ceil(wouldDo / MB)} MB would do now.`,
      },
    );
  }

  state(): { spareBytes: number; loans: LoanView[]; waiting: { process: string; what: string; leastBytes: number }[] } {
    return {
      spareBytes: this.#lenders.spareBytes,
      loans: [...this.#granted].map(({ request: { process, what }, bytes, from, recall }) => ({
        ...{ process, what, bytes },
        from: Object.fromEntries(from),
        recalled: recall.signal.aborted,
      })),
      waiting: [...this.#waiting].map(({ request: { process, what, leastBytes } }) => ({ process, what, leastBytes })),
    };
  }

  /** Refuses those that wait. What is lent is given back by those who have it. Twice is harmless. */
  close(): void {
    this.#closed = true;
    for (const waiting of [...this.#waiting]) waiting.refuse(shuttingDown());
  }

  get #briefWait(): boolean {
    return [...this.#waiting].some(({ request }) => request.brief);
  }

  /**
   * Wants back, the newest first, as many loans that are not brief as the brief requests that wait are short of; for one
   * for which all would be too few, none.
   */
  #callBack(): void {
    let neededBytes = 0;
    for (const { request } of this.#waiting) {
      if (!request.brief) continue;
      const wanted = neededBytes + request.leastBytes;
      let free = this.#lenders.spareBytes + this.#lenders.lendableBytes(request.before);
      const loans: Granted[] = [];
      for (const granted of [...this.#granted].reverse()) {
        if (free >= wanted) break;
        if (granted.request.brief) continue;
        loans.push(granted);
        free += granted.bytes;
      }
      if (free < wanted) continue;
      neededBytes = wanted;
      for (const { recall } of loans) recall.abort(calledBack(`${request.what} needs the memory that was lent.`));
    }
  }
}

function calledBack(why: string): DhError {
  const hint = 'Try again in a few seconds, or raise memory.maxMemoryMb.';
  return new DhError('memory_pressure', why, { hint });
}

function shuttingDown(): DhError {
  return new DhError('shutting_down', 'The server is stopping.');
}
