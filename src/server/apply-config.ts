import type { Logger } from 'pino';
import type { ConfigChange, LiveConfig } from '../config/live-config.js';
import type { Config } from '../config/schema.js';
import type { DhError } from '../errors.js';
import type { ServerEvents } from './server-events.js';

/** What does not read its settings when it uses them, and so must be told. */
export interface ConfigReceivers {
  log: Logger;
  events: ServerEvents;
  configureStages(config: Config): void;
  /** Changes the sessions that run. */
  configureSessions(config: Config, changed: readonly string[]): void;
  restartStatsLine(): void;
}

/**
 * Passes on each change of the configuration to those that hold a copy of a part of it, and tells of it in the log and as
 * events `config.changed` and `config.refused`. The returned function ends that.
 */
export function applyConfig(live: LiveConfig, to: ConfigReceivers): () => void {
  const onChanged = ({ cause, changed, needsRestart, new: config }: ConfigChange): void => {
    const touches = (...paths: string[]): boolean =>
      changed.some((path) => paths.some((prefix) => path === prefix || path.startsWith(`${prefix}.`)));
    if (touches('logLevel')) to.log.level = config.logLevel;
    if (touches('memory', 'stages', 'voice', 'session.width', 'session.height')) to.configureStages(config);
    if (touches('session', 'preset', 'limits.maxViewersPerSession', 'limits.maxPendingUtterances')) {
      to.configureSessions(config, changed);
    }
    if (touches('statsIntervalS')) to.restartStatsLine();
    to.log.info({ cause, changed }, 'settings changed');
    if (needsRestart.length > 0) to.log.warn({ cause, needsRestart }, 'settings that count after a restart');
    to.events.tell('config.changed', { cause, changed, needsRestart });
  };
  const onRefused = ({ code, message, hint }: DhError): void => {
    to.log.warn({ code, reason: message }, 'new settings refused, the old ones stay');
    to.events.tell('config.refused', { code, message, ...(hint === undefined ? {} : { hint }) });
  };
  live.on('changed', onChanged);
  live.on('refused', onRefused);
  return () => {
    live.off('changed', onChanged);
    live.off('refused', onRefused);
  };
}
