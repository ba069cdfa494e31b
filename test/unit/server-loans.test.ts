import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { contractOf } from '../../src/server/server-contract.js';
import { ServerLoans } from '../../src/server/server-loans.js';
import type { StageProcess } from '../../src/server/stage-process.js';

const MB = 1e6;
const config = loadConfig({ preset: 'low', flags: { stages: { count: 1 }, memory: { maxMemoryMb: 900 } } });
const stage = { index: 0, heartbeat: null } as StageProcess;

let loans: ServerLoans;
beforeEach(() => {
  vi.useFakeTimers();
  loans = new ServerLoans({
    ...{ config: () => config, contract: contractOf(config), stages: [stage] },
    sizesOn: () => [{ width: 640, height: 360 }],
    voiceThreads: () => 1,
    onChange: vi.fn(),
    onShort: vi.fn(),
    log: pino({ level: 'silent' }),
  });
});
afterEach(() => {
  loans.close();
  vi.useRealTimers();
});

const stageBytes = (): number => loans.contract.division.stageBytes;
/** A render that takes what is nobody's and a part of the stage. */
const render = () =>
  loans.render(0, { leastMb: 400, comfortableMb: 400 }, new AbortController().signal).then((loan) => ({
    loan,
    ends: new Promise<void>((resolve) =>
      loan.recalled.addEventListener('abort', () => {
        loan.close();
        resolve();
      }),
    ),
  }));

describe('room for a session', () => {
  it('is there at once when it fits beside a render', async () => {
    const { loan } = await render();
    const room = await loans.makeRoom((limitBytes) => limitBytes('stage-0') > 100 * MB);
    expect(loan.recalled.aborted).toBe(false);
    room.close();
  });

  it('is made by calling a render back, which goes on when the session is open', async () => {
    const { ends } = await render();
    expect(loans.limitBytes('stage-0')).toBeLessThan(stageBytes());
    const room = await loans.makeRoom((limitBytes) => limitBytes('stage-0') >= stageBytes());
    await ends;
    expect(loans.limitBytes('stage-0')).toBe(stageBytes());
    const again = render();
    expect(loans.state().waiting).toMatchObject([{ process: 'render-0' }]);
    room.close();
    expect((await again).loan.bytes).toBe(400 * MB);
  });

  it('is not looked for where a render has not got it, nor longer than anybody waits', async () => {
    const { loan } = await render();
    (await loans.makeRoom((limitBytes) => limitBytes('stage-0') > stageBytes())).close();
    expect(loan.recalled.aborted).toBe(false);
    loan.close();

    // One that does not end: the session is refused by whoever asked, with the figures.
    const stuck = await loans.render(0, { leastMb: 400, comfortableMb: 400 }, new AbortController().signal);
    const room = loans.makeRoom((limitBytes) => limitBytes('stage-0') >= stageBytes());
    await vi.advanceTimersByTimeAsync(6_000);
    loans.look();
    (await room).close();
    expect(stuck.recalled.aborted).toBe(true);
    stuck.close();
  });
});
