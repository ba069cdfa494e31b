import type { Logger } from 'pino';
import type { Config } from '../config/schema.js';
import { DhError } from '../errors.js';
import { stageItems, sumMb, type PictureSize } from '../guard/memory-account.js';
import { MEMORY_CONSTANTS } from '../guard/memory-constants.js';
import { contractLine, type MemoryContract } from '../guard/memory-contract.js';
import { bakeAppetite, mediaAppetite, neededMemory, type Appetite } from '../guard/memory-division.js';
import type { LenderPart } from '../guard/memory-lenders.js';
import { MemoryLoans, type LoanRequest, type MemoryHold } from '../guard/memory-loans.js';
import type { TrimLevel } from '../guard/memory-registry.js';
import type { Closable, MemoryLoan } from '../units.js';
import { contractOf } from './server-contract.js';
import type { StageProcess } from './stage-process.js';
import { ownRssBytes } from '../own-memory.js';

export interface ServerLoansParts {
  config: () => Config;
  contract: MemoryContract;
  stages: readonly StageProcess[];
  /** Sessions of a stage, by the size of their picture, without the one of this id. */
  sizesOn: (stage: StageProcess, exceptId: string | undefined) => PictureSize[];
  /** Most threads that speak. */
  voiceThreads: () => number;
  /** Limits changed. */
  onChange: () => void;
  /** Somebody waits for memory: what control can give back without a cost for anybody may go. */
  onShort: () => void;
  log: Logger;
}

/** How long a caller waits for memory before it is refused, in ms. */
const PATIENCE = 5_000;
/** The same for what nobody waits for. */
const LONG_PATIENCE = 60_000;
const MB = 1e6;

/**
 * The memory contract in force, and the loans from it to the processes that come and go: drawing, decoding, renders, the
 * measurement of a picture's cost. Voices that were not foreseen have the limit divided anew.
 */
export class ServerLoans implements Closable {
  readonly #parts: ServerLoansParts;
  readonly #loans: MemoryLoans;
  #contract: MemoryContract;
  #voicesLoaded = false;
  #otherVoices: Promise<void> | null = null;
  readonly #changed = new Set<() => void>();
  #closed = false;

  constructor(parts: ServerLoansParts) {
    const { contract, config, log } = parts;
    this.#parts = parts;
    this.#contract = contract;
    const { lenders, spareBytes } = lendersOf(contract);
    this.#loans = new MemoryLoans({
      ...{ lenders, spareBytes },
      softShare: () => config().memory.softShare,
      use: (lender, before) => this.#use(lender, before),
      onChange: () => this.#tellChange(),
      onShort: ({ process }, { message, hint }) => {
        log.debug({ process, reason: message, hint }, 'waits for memory');
        if (process !== 'measure') parts.onShort();
      },
    });
  }

  /** How much memory the server uses under the settings in force, and how the limit is divided. */
  get contract(): MemoryContract {
    return this.#contract;
  }

  /** Takes new settings. Throws `config_invalid` when their limit is too small. */
  configure(config: Config): void {
    this.#divide(contractOf(config, this.#parts.stages.length, this.#contract.otherVoices));
  }

  /** Throws `config_invalid` when the server cannot go on with these settings. */
  check(config: Config): void {
    contractOf(config, this.#parts.stages.length, this.#contract.otherVoices);
  }

  /** For drawing an avatar; `before` is the session that waits for it. Throws `memory_pressure`. */
  bake(size: PictureSize, before: string | undefined): Promise<MemoryLoan> {
    return this.#borrow('bake', 'Drawing an avatar', bakeAppetite(size), {
      ...{ brief: true, patienceMs: PATIENCE },
      ...(before === undefined ? {} : { before }),
    });
  }

  /** For decoding uploads. Throws `memory_pressure`, the signal's reason. */
  media(signal: AbortSignal | undefined): Promise<MemoryLoan> {
    return this.#borrow('media', 'Decoding a file', mediaAppetite(), {
      ...{ brief: true, patienceMs: PATIENCE },
      ...(signal ? { signal } : {}),
    });
  }

  /** For the process that measures what a picture costs. Throws `memory_pressure`. */
  measure(): Promise<MemoryLoan> {
    const { measureMb } = MEMORY_CONSTANTS;
    const appetite = { leastMb: measureMb, comfortableMb: measureMb };
    return this.#borrow('measure', 'Measuring the cost of a picture', appetite, {
      // Neither is a render called back for it nor kept waiting.
      brief: false,
      patienceMs: LONG_PATIENCE,
    });
  }

  /** For a render over HTTP, of which several can run. Throws `memory_pressure`, the signal's reason. */
  render(slot: number, appetite: Appetite, signal: AbortSignal): Promise<MemoryLoan> {
    const options = { brief: false, patienceMs: LONG_PATIENCE, signal };
    return this.#borrow(`render-${slot}`, 'Rendering', appetite, options);
  }

  /**
   * Keeps renders from borrowing until what it resolves with is closed; before that, when something fits only without what
   * they have borrowed, calls that back and waits until it fits, at most as long as anybody waits. `fits` is given the
   * limit that a stage has or would have.
   */
  async makeRoom(fits: (limitBytes: (name: string) => number) => boolean): Promise<MemoryHold> {
    const hold = this.#loans.hold();
    const fitsNow = (): boolean => fits((name) => this.#loans.limitBytes(name));
    if (fitsNow() || !fits((name) => this.#loans.limitBytesAtMost(name))) return hold;
    for (const { index } of this.#parts.stages) this.#loans.recall('soft', `stage-${index}`);
    const end = performance.now() + PATIENCE;
    try {
      while (!fitsNow() && performance.now() < end) await this.#change();
    } catch (error) {
      hold.close();
      throw error;
    }
    return hold;
  }

  /** Settled when control has the memory for its English voices; before, it may be lent for drawing an avatar. */
  async voices(): Promise<void> {
    while (!this.#voicesLoaded) {
      const { accountedBytes } = this.#use('control', undefined);
      const usable = this.#loans.limitBytes('control') * this.#parts.config().memory.softShare;
      if (usable >= accountedBytes || this.#loans.lends('control') === 0) break;
      await this.#change();
    }
    this.#voicesLoaded = true;
  }

  /**
   * Settled when control has the memory for voices of other languages, which they keep. Throws `memory_pressure` when
   * the limit does not bear them, or not soon enough.
   */
  otherVoices(): Promise<void> {
    if (this.#contract.otherVoices) return Promise.resolve();
    const hold = this.#otherVoices ? null : this.#loans.hold();
    this.#otherVoices ??= this.#addVoices().finally(() => {
      this.#otherVoices = null;
      hold?.close();
    });
    return this.#otherVoices;
  }

  /** The limit of a stage or of control now: its part without what it lends. */
  limitBytes(name: string): number {
    return this.#loans.limitBytes(name);
  }

  /** What is lent to all, or to one process. */
  lentBytes(process?: string): number {
    return this.#loans.lentBytes(process);
  }

  /** What a stage or control has lent. */
  lends(name: string): number {
    return this.#loans.lends(name);
  }

  /** A process, or the whole server, is at a level: what it has lent is wanted back before anybody has less of it. */
  recall(level: TrimLevel, name?: string): void {
    this.#loans.recall(level, name);
  }

  /** Looks whether there is room now for what waits. */
  look(): void {
    this.#loans.look();
    this.#wake();
  }

  state(): ReturnType<MemoryLoans['state']> {
    return this.#loans.state();
  }

  /** Refuses what waits. Twice is harmless. */
  close(): void {
    this.#closed = true;
    this.#loans.close();
    this.#wake();
  }

  async #borrow(
    process: string,
    what: string,
    { leastMb, comfortableMb }: Appetite,
    options: Pick<LoanRequest, 'brief' | 'patienceMs' | 'before' | 'signal'>,
  ): Promise<MemoryLoan> {
    const loan = await this.#loans.borrow({
      ...{ process, what, ...options },
      ...{ leastBytes: leastMb * MB, comfortableBytes: comfortableMb * MB },
    });
    this.#parts.log.debug({ process, mb: Math.floor(loan.bytes / MB) }, 'memory lent');
    return loan;
  }

  #use(lender: string, before: string | undefined): { accountedBytes: number; rssBytes: number } {
    const { stages, sizesOn } = this.#parts;
    if (lender === 'control') {
      const { controlMb, controlSessionMb } = MEMORY_CONSTANTS;
      const sessions = stages.reduce((sum, stage) => sum + sizesOn(stage, before).length, 0);
      // Until the voices are loaded an avatar can be drawn with their memory.
      const voicesMb = before !== undefined && !this.#voicesLoaded ? 0 : this.#voicesMb();
      const mb = controlMb + sessions * controlSessionMb + voicesMb;
      return { accountedBytes: mb * MB, rssBytes: ownRssBytes() };
    }
    const stage = stages.find(({ index }) => lender === `stage-${index}`);
    const usedMb = stage ? sumMb(stageItems(lender, sizesOn(stage, before), 1)) : 0;
    const accountedBytes = Math.max(MEMORY_CONSTANTS.stageStartMb, usedMb) * MB;
    return { accountedBytes, rssBytes: stage?.heartbeat?.guard.rssBytes ?? 0 };
  }

  #voicesMb(): number {
    const { voicesMb, otherVoicesMb } = MEMORY_CONSTANTS;
    return this.#parts.voiceThreads() * (voicesMb + (this.#contract.otherVoices ? otherVoicesMb : 0));
  }

  #divide(contract: MemoryContract): void {
    this.#contract = contract;
    const { lenders, spareBytes } = lendersOf(contract);
    this.#loans.divide(lenders, spareBytes);
    this.#parts.log.info(contractLine(contract), 'memory contract');
  }

  async #addVoices(): Promise<void> {
    const { config, stages, voiceThreads, onShort } = this.#parts;
    const end = performance.now() + PATIENCE;
    const growthBytes = voiceThreads() * MEMORY_CONSTANTS.otherVoicesMb * MB;
    for (let first = true; !this.#contract.otherVoices; first = false) {
      const { session: size, memory } = config();
      const { softShare, hardRelease } = memory;
      const wish = { stages: stages.length, size, softShare, otherVoices: true };
      const needMb = neededMemory(wish).totalMb;
      if (needMb > this.#contract.limitMb) throw this.#noRoomForVoices(needMb);
      const wanted = contractOf(config(), stages.length, true);
      const { lenders, spareBytes } = lendersOf(wanted);
      const growth = { name: 'control', bytes: growthBytes, share: hardRelease };
      if (this.#loans.canDivide(lenders, spareBytes, growth)) return this.#divide(wanted);
      if (performance.now() >= end) throw this.#noRoomForVoices(null);
      if (first) {
        onShort();
        this.#loans.recall('soft');
      }
      await this.#change();
    }
  }

  #noRoomForVoices(needMb: number | null): DhError {
    const { otherVoicesMb } = MEMORY_CONSTANTS;
    const wouldDo =
      needMb === null ? '' : `: with voices beside the English ones the server needs ${Math.ceil(needMb)} MB`;
    return new DhError(
      'memory_pressure',
      `There is no memory for another kind of voices: they take ${otherVoicesMb} MB from their first sentence on.`,
      {
        hint:
          'Use an English voice (slt, rms, awb, kal16), end a session and try again, or raise the memory limit ' +
          `(memory.maxMemoryMb, or that of the container)${wouldDo}.`,
      },
    );
  }

  #tellChange(): void {
    this.#parts.onChange();
    this.#wake();
  }

  /** Settled when something may have changed. Throws `shutting_down`. */
  async #change(): Promise<void> {
    if (!this.#closed) await new Promise<void>((resolve) => this.#changed.add(resolve));
    if (this.#closed) throw new DhError('shutting_down', 'The server is stopping.');
  }

  #wake(): void {
    for (const resolve of [...this.#changed]) resolve();
    this.#changed.clear();
  }
}

/** The processes that lend, control last. */
function lendersOf({ stages, division }: MemoryContract): { lenders: LenderPart[]; spareBytes: number } {
  const { controlBytes, stageBytes, spareBytes } = division;
  const ofStages = Array.from({ length: stages }, (_, index) => ({ name: `stage-${index}`, bytes: stageBytes }));
  return { lenders: [...ofStages, { name: 'control', bytes: controlBytes }], spareBytes };
}
