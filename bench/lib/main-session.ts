/** The session `main` of the server under test, as its API shows it. */
import { until, type EventLog, type TestServer } from '../../test/support/server.js';
import { sleep } from './machine.js';

const MAIN = '/api/v1/sessions/main';

export interface SessionFigures {
  state: string;
  originWallMs: number;
  skippedFrames: number;
  processingMs: { mean: number; p99: number };
}

export interface ProcessFigures {
  name: string;
  rssBytes: number;
}

export async function sessionFigures(server: TestServer): Promise<SessionFigures> {
  return (await server.get(MAIN)) as SessionFigures;
}

/** Memory of each of the server's processes. */
export async function processFigures(server: TestServer): Promise<ProcessFigures[]> {
  return ((await server.get('/api/v1/stats')) as { processes: ProcessFigures[] }).processes;
}

/** Returns the utterance's id. */
export async function say(server: TestServer, text: string): Promise<string> {
  const response = await server.post(`${MAIN}/say`, { text });
  return ((await response.json()) as { utteranceId: string }).utteranceId;
}

export async function interrupt(server: TestServer): Promise<void> {
  await server.post(`${MAIN}/interrupt`);
}

/** Waits until the session says nothing and its last sound has left. */
export async function idle(server: TestServer): Promise<void> {
  await until(async () => (await sessionFigures(server)).state === 'idle', 30_000);
  await sleep(150);
}

/** Where the first utterance after `position` of the log begins: the picture that shows its first sound. */
export async function startFrame(log: EventLog, position: number): Promise<number> {
  const started = await until(
    () => log.events.slice(position).find(({ name }) => name === 'utterance.started'),
    15_000,
  );
  return (started as { data: { frame: number } }).data.frame;
}

/** Whether the log has the end of an utterance after `position`: of this one, or of any. */
export function hasEnded(log: EventLog, position: number, id?: string): boolean {
  return log.events.slice(position).some(({ name, data }) => {
    const { utteranceId } = data as { utteranceId?: string };
    return name === 'utterance.ended' && (id === undefined || utteranceId === id);
  });
}
