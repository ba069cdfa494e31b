import type { Logger } from 'pino';
import type { SessionRegistry } from './session-registry.js';
import type { StageProcess } from './stage-process.js';

/** Writes into the log what becomes of stages and sessions. */
export function logLife(log: Logger, stages: readonly StageProcess[], sessions: SessionRegistry): void {
  for (const stage of stages) {
    stage.on('down', (reason) => log.warn({ stage: stage.index, reason }, 'stage replaced'));
    stage.on('starved', (waitedMs) => {
      log.warn({ stage: stage.index, waitedMs }, 'the machine is overloaded: a stage got no CPU and stood still');
    });
    stage.on('up', () => log.debug({ stage: stage.index, pid: stage.pid }, 'stage ready'));
  }
  sessions.on('opened', (session) => {
    session.on('event', (name, data) => {
      const { text: _text, ...fields } = data; // no transcript in a log
      log[name === 'warning' ? 'warn' : 'debug']({ session: session.id, ...fields }, name);
    });
  });
}
