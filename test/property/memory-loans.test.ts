import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LenderPart } from '../../src/guard/memory-lenders.js';
import { MemoryLoans, type LoanRequest } from '../../src/guard/memory-loans.js';
import type { MemoryLoan } from '../../src/units.js';

const MB = 1e6;
const SOFT = 0.8;
const PARTS: LenderPart[] = [
  { name: 'stage-0', bytes: 200 * MB },
  { name: 'stage-1', bytes: 200 * MB },
  { name: 'control', bytes: 190 * MB },
];
const NAMES = PARTS.map(({ name }) => name);
const request = (more: Partial<LoanRequest> = {}): LoanRequest => ({
  ...{ process: 'bake', what: 'Drawing an avatar', leastBytes: 100 * MB, comfortableBytes: 100 * MB },
  ...{ brief: true, patienceMs: 5000 },
  ...more,
});

/** A server whose processes use what the test says. */
class Desk {
  readonly used = new Map(NAMES.map((name) => [name, 100 * MB]));
  parts = PARTS;
  spareBytes: number;
  readonly loans: MemoryLoans;
  readonly open: { loan: MemoryLoan; asked: LoanRequest }[] = [];
  readonly short = vi.fn();

  constructor(spareBytes = 0) {
    this.spareBytes = spareBytes;
    this.loans = new MemoryLoans({
      lenders: PARTS,
      spareBytes,
      softShare: () => SOFT,
      use: (lender, before) => ({
        accountedBytes: this.used.get(lender)! - (before === lender ? 50 * MB : 0),
        rssBytes: 0,
      }),
      onShort: (asked, { message }) => void this.short(asked.process, message),
    });
  }

  limits(): number[] {
    return NAMES.map((name) => this.loans.limitBytes(name));
  }

  /** What all processes together may take. */
  mayTake(): number {
    const kept = this.limits().reduce((sum, bytes) => sum + bytes, 0);
    // One that is recalled is being killed; nothing is promised to it any more.
    const promised = this.loans.state().loans.filter(({ recalled }) => !recalled);
    return promised.reduce((sum, { bytes }) => sum + bytes, kept);
  }

  total(): number {
    return this.parts.reduce((sum, { bytes }) => sum + bytes, this.spareBytes);
  }

  lendable(): number {
    const idle = NAMES.map((name) => Math.max(0, this.loans.limitBytes(name) - Math.ceil(this.used.get(name)! / SOFT)));
    return idle.reduce((sum, bytes) => sum + bytes, this.loans.state().spareBytes);
  }

  divide(factor: number, spareBytes: number): void {
    this.parts = PARTS.map(({ name, bytes }) => ({ name, bytes: Math.round(bytes * factor) }));
    this.spareBytes = spareBytes;
    this.loans.divide(this.parts, spareBytes);
  }
}

const bytes = (most: number) => fc.integer({ min: 1, max: most * MB });
const step = fc.oneof(
  fc.record({
    kind: fc.constant('borrow' as const),
    least: bytes(250),
    more: bytes(250),
    brief: fc.boolean(),
    process: fc.constantFrom('bake', 'media', 'render-0'),
  }),
  fc.record({ kind: fc.constant('return' as const), which: fc.nat() }),
  fc.record({ kind: fc.constant('use' as const), name: fc.constantFrom(...NAMES), bytes: bytes(200) }),
  fc.record({
    kind: fc.constant('divide' as const),
    factor: fc.double({ min: 0.5, max: 4, noNaN: true }),
    spare: bytes(400),
  }),
  fc.record({
    kind: fc.constant('recall' as const),
    name: fc.constantFrom(...NAMES),
    level: fc.constantFrom('soft' as const, 'hard' as const),
  }),
);

describe('loans', () => {
  it('never promise more than there is, take nothing that is used, and are given back whole', () => {
    fc.assert(
      fc.property(bytes(300), fc.array(step, { maxLength: 60 }), (spare, steps) => {
        const desk = new Desk(spare);
        for (const one of steps) {
          if (one.kind === 'borrow') {
            const before = desk.lendable();
            const asked = request({
              process: one.process,
              leastBytes: one.least,
              comfortableBytes: one.least + one.more,
              brief: one.brief,
            });
            const loan = desk.loans.tryBorrow(asked);
            expect(loan === null).toBe(before < one.least);
            if (loan) {
              expect(loan.bytes).toBeGreaterThanOrEqual(one.least);
              expect(loan.bytes).toBeLessThanOrEqual(one.least + one.more);
              desk.open.push({ loan, asked });
              const { from } = desk.loans.state().loans.at(-1)!;
              for (const name of NAMES.filter((lender) => from[lender] !== undefined)) {
                expect(desk.loans.limitBytes(name) * SOFT).toBeGreaterThanOrEqual(desk.used.get(name)! - 1);
              }
            }
          } else if (one.kind === 'return') {
            const [gone] = desk.open.splice(one.which % Math.max(1, desk.open.length), 1);
            gone?.loan.close();
            gone?.loan.close();
          } else if (one.kind === 'use') desk.used.set(one.name, one.bytes);
          else if (one.kind === 'divide') desk.divide(one.factor, one.spare);
          else desk.loans.recall(one.level, one.name);
          expect(desk.mayTake()).toBeLessThanOrEqual(desk.total());
          expect(desk.loans.state().spareBytes).toBeGreaterThanOrEqual(0);
          for (const limit of desk.limits()) expect(limit).toBeGreaterThanOrEqual(0);
          for (const [at, name] of NAMES.entries()) {
            expect(desk.loans.lends(name)).toBe(desk.parts[at]!.bytes - desk.limits()[at]!);
          }
          expect(desk.loans.lentBytes()).toBe(desk.open.reduce((sum, { loan }) => sum + loan.bytes, 0));
        }
        for (const { loan } of desk.open) loan.close();
        expect(desk.limits()).toEqual(desk.parts.map(({ bytes: part }) => part));
        expect(desk.loans.state()).toEqual({ spareBytes: desk.spareBytes, loans: [], waiting: [] });
      }),
    );
  });

  it('come from what is nobody’s first, then from the stages alike, then from control', () => {
    const desk = new Desk(60 * MB);
    desk.loans.tryBorrow(request({ leastBytes: 60 * MB, comfortableBytes: 60 * MB }));
    expect(desk.limits()).toEqual(PARTS.map(({ bytes: part }) => part));
    // 200 − 100 / 0.8 = 75 MB of each stage
    desk.loans.tryBorrow(request({ leastBytes: 150 * MB }));
    expect(desk.limits().map((limit) => limit / MB)).toEqual([125, 125, 190]);
    desk.loans.tryBorrow(request({ leastBytes: 65 * MB, comfortableBytes: 65 * MB }));
    expect(desk.limits().map((limit) => limit / MB)).toEqual([125, 125, 125]);
    expect(desk.loans.tryBorrow(request({ leastBytes: 1 }))).toBeNull();
  });

  it('are comfortable from what is nobody’s; of the others’ memory one that is brief has up to half', () => {
    const of = (brief: boolean, spare: number): number =>
      new Desk(spare).loans.tryBorrow(request({ leastBytes: 40 * MB, comfortableBytes: 400 * MB, brief }))!.bytes / MB;
    expect([of(true, 1000 * MB), of(false, 1000 * MB)]).toEqual([400, 400]);
    expect([of(true, 60 * MB), of(false, 60 * MB)]).toEqual([60 + 215 / 2, 60]);
    expect([of(true, 0), of(false, 0)]).toEqual([215 / 2, 40]);
  });

  it('can have the memory that is not used before the borrower is done', () => {
    const desk = new Desk();
    desk.used.set('stage-1', 160 * MB);
    desk.used.set('control', 152 * MB);
    expect(desk.loans.tryBorrow(request({ before: 'stage-1' }))).not.toBeNull();
    expect(new Desk().loans.tryBorrow(request({ leastBytes: 216 * MB }))).toBeNull();
  });

  it('are wanted back when their lender, or the server, needs the memory, and when the limit gets too low', () => {
    const desk = new Desk(100 * MB);
    const spare = desk.loans.tryBorrow(request())!;
    const stages = desk.loans.tryBorrow(request())!;
    desk.loans.recall('hard', 'stage-0');
    expect([spare.recalled.aborted, stages.recalled.aborted]).toEqual([false, true]);
    expect(stages.recalled.reason).toMatchObject({ code: 'memory_pressure' });
    desk.loans.recall('hard');
    expect(spare.recalled.aborted).toBe(true);
    spare.close();
    stages.close();

    const render = desk.loans.tryBorrow(request({ process: 'render-0', brief: false }))!;
    const drawing = desk.loans.tryBorrow(request())!;
    desk.loans.recall('soft');
    expect([render.recalled.aborted, drawing.recalled.aborted]).toEqual([true, false]);
    render.close();
    drawing.close();

    const [first, second] = [desk.loans.tryBorrow(request())!, desk.loans.tryBorrow(request())!];
    desk.divide(1, 0);
    expect([first.recalled.aborted, second.recalled.aborted]).toEqual([false, false]);
    desk.divide(0.85, 0);
    expect([first.recalled.aborted, second.recalled.aborted]).toEqual([false, true]);
  });

  it('stay when the limit is divided as before, or anew with room for them', () => {
    const desk = new Desk();
    // Its session is not open yet: what that will use is lent.
    desk.used.set('stage-1', 160 * MB);
    desk.used.set('control', 152 * MB);
    const drawing = desk.loans.tryBorrow(request({ before: 'stage-1' }))!;
    desk.divide(1.01, 0);
    expect(drawing.recalled.aborted).toBe(false);
    desk.used.set('stage-0', 199 * MB);
    desk.divide(1.01, 0);
    expect(drawing.recalled.aborted).toBe(false);
  });
});

describe('a division for one that grows', () => {
  const growth = { name: 'control', bytes: 50 * MB, share: 0.85 };
  const parts = (control: number) =>
    PARTS.map(({ name, bytes: part }) => ({ name, bytes: name === 'control' ? control * MB : part }));

  it('is possible when it has room then, and everybody keeps what is used and borrowed', () => {
    const desk = new Desk(100 * MB);
    expect(desk.loans.canDivide(parts(177), 0, growth)).toBe(true);
    expect(desk.loans.canDivide(parts(176), 0, growth)).toBe(false);
    desk.loans.tryBorrow(request());
    expect(desk.loans.canDivide(parts(177), 0, growth)).toBe(true);
    desk.used.set('stage-0', 150 * MB);
    expect(desk.loans.canDivide(parts(177), 0, growth)).toBe(false);
    expect(desk.loans.canDivide(parts(177), 25 * MB, growth)).toBe(true);
    // Above its soft level it may be for the moment, not above the growing one's share.
    desk.used.set('stage-0', 161 * MB);
    expect(desk.loans.canDivide(parts(177), 100 * MB, growth)).toBe(true);
    desk.used.set('stage-0', 171 * MB);
    expect(desk.loans.canDivide(parts(177), 100 * MB, growth)).toBe(false);
  });
});

describe('waiting for memory', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const all = { leastBytes: 215 * MB, comfortableBytes: 215 * MB };

  it('ends when a loan is given back, or when somebody uses less', async () => {
    const desk = new Desk();
    const first = await desk.loans.borrow(request(all));
    const second = desk.loans.borrow(request(all));
    expect(desk.short.mock.calls).toEqual([['bake', 'Drawing an avatar needs 215 MB of memory, and 0 MB are free.']]);
    expect(desk.loans.state().waiting).toMatchObject([{ process: 'bake', leastBytes: 215 * MB }]);
    first.close();
    const loan = await second;
    const third = desk.loans.borrow(request({ leastBytes: 20 * MB }));
    desk.used.set('stage-0', 80 * MB);
    desk.loans.look();
    expect((await third).bytes).toBeGreaterThanOrEqual(20 * MB);
    expect(desk.loans.state().waiting).toEqual([]);
    loan.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is refused after a while with what is short and what would do; so small ones pass those that wait', async () => {
    const desk = new Desk();
    const refused = expect(desk.loans.borrow(request({ leastBytes: 300 * MB }))).rejects.toMatchObject({
      code: 'memory_pressure',
      message: 'Drawing an avatar needs 300 MB of memory, and 115 MB are free.',
      hint: expect.stringContaining(': 775 MB would do now') as string,
    });
    expect((await desk.loans.borrow(request())).bytes).toBe(100 * MB);
    await vi.advanceTimersByTimeAsync(5000);
    desk.loans.close();
    await refused;
  });

  it('ends with its signal and with the server, and leaves nothing behind', async () => {
    const desk = new Desk();
    const stop = new AbortController();
    const aborted = expect(desk.loans.borrow(request({ leastBytes: 300 * MB, signal: stop.signal }))).rejects.toThrow(
      'enough',
    );
    const closed = expect(desk.loans.borrow(request({ leastBytes: 300 * MB }))).rejects.toMatchObject({
      code: 'shutting_down',
    });
    stop.abort(new Error('enough'));
    await aborted;
    desk.loans.close();
    desk.loans.close();
    await closed;
    await expect(desk.loans.borrow(request())).rejects.toMatchObject({ code: 'shutting_down' });
    expect(desk.loans.state().waiting).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('calls back what is lent for long, the newest and no more than is short, when the wish is soon over', async () => {
    const desk = new Desk(300 * MB);
    const long = (process: string) =>
      desk.loans.tryBorrow(request({ process, leastBytes: 150 * MB, comfortableBytes: 150 * MB, brief: false }))!;
    const [old, young] = [long('render-0'), long('render-1')];
    const brief = desk.loans.tryBorrow(request({ leastBytes: 200 * MB }))!;
    const recalled = () => [old, young, brief].map((loan) => loan.recalled.aborted);

    const tooMuch = expect(desk.loans.borrow(request({ leastBytes: 400 * MB }))).rejects.toThrow('400 MB');
    const alsoLong = expect(desk.loans.borrow(request({ brief: false }))).rejects.toThrow('100 MB');
    expect(recalled()).toEqual([false, false, false]);
    const drawing = desk.loans.borrow(request());
    expect(recalled()).toEqual([false, true, false]);
    expect(young.recalled.reason).toMatchObject({ code: 'memory_pressure' });
    young.close();
    // It comes before those that wait longer for something that is not soon over.
    expect((await drawing).bytes).toBe(100 * MB);
    await vi.advanceTimersByTimeAsync(5000);
    await Promise.all([tooMuch, alsoLong]);
  });

  it('calls back enough for all that wait, and lends nothing for long meanwhile', async () => {
    const desk = new Desk(200 * MB);
    const long = { brief: false, leastBytes: 90 * MB, comfortableBytes: 90 * MB };
    const renders = [1, 2, 3, 4].map(() => desk.loans.tryBorrow(request(long))!);
    const recalled = () => renders.map((loan) => loan.recalled.aborted);
    const need = { leastBytes: 100 * MB, comfortableBytes: 100 * MB };
    const [one, two] = [desk.loans.borrow(request(need)), desk.loans.borrow(request({ ...need, process: 'media' }))];
    expect(recalled()).toEqual([false, false, true, true]);
    renders[3]!.close();
    const again = desk.loans.borrow(request({ ...long, patienceMs: 60_000 }));
    expect(desk.loans.tryBorrow(request({ ...long, leastBytes: 1, comfortableBytes: 1 }))).toBeNull();
    expect((await one).bytes).toBe(100 * MB);
    renders[2]!.close();
    (await two).close();
    expect((await again).bytes).toBe(90 * MB);
  });

  it('is for all that is not soon over while a hold lasts', async () => {
    const desk = new Desk(200 * MB);
    const render = desk.loans.tryBorrow(request({ brief: false }))!;
    const [first, second] = [desk.loans.hold(), desk.loans.hold()];
    const waiting = desk.loans.borrow(request({ brief: false }));
    expect(desk.loans.tryBorrow(request())).not.toBeNull();
    first.close();
    first.close();
    render.close();
    expect(desk.loans.state().waiting).toHaveLength(1);
    second.close();
    expect((await waiting).bytes).toBe(100 * MB);
    expect(vi.getTimerCount()).toBe(0);
  });
});
