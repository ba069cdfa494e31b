import { fork, type ChildProcess } from 'node:child_process';
import { packagePath } from '../../src/entry.js';
import type { Trial, World } from './attack.js';

/** One step that the attackers' process takes. */
export interface RtcpOrder {
  seed: number;
  step: number;
  world: World;
}

/** An attacker that takes longer hangs in the library, in ms: it is replaced, and that is no fault of the server. */
const HANGS_MS = 45_000;
let attacker: ChildProcess | null = null;

/** RTCP and datagrams for the media port, from a process of its own. One step at a time. */
export async function rtcpAttack(seed: number, step: number, world: World): Promise<Trial> {
  attacker ??= fork(packagePath('test/fuzz/rtcp-process.ts'), { execArgv: ['--import', 'tsx'] });
  const child = attacker;
  let timer: NodeJS.Timeout | undefined;
  const trial = await new Promise<Trial>((resolve) => {
    const lost = (why: string): void => resolve({ sent: '', outcome: why, fault: null });
    timer = setTimeout(() => lost('attacker hung'), HANGS_MS);
    child.once('message', (answer) => resolve(answer as Trial));
    child.once('exit', () => lost('attacker ended'));
    const order: RtcpOrder = { seed, step, world };
    child.send(order, (error) => error && lost('attacker ended'));
  });
  clearTimeout(timer);
  child.removeAllListeners('message').removeAllListeners('exit');
  if (trial.outcome.startsWith('attacker')) await endAttackers();
  return trial;
}

/** Ends the attackers' process. */
export async function endAttackers(): Promise<void> {
  const child = attacker;
  attacker = null;
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
