import { createBirpc, type BirpcReturn } from 'birpc';
import { DhError } from '../errors.js';

/** One end of a channel between two processes: `ChildProcess` and `process` both fit. */
export interface MessagePort {
  send?: ((message: unknown, callback?: (error: Error | null) => void) => boolean) | undefined;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  off(event: 'message', listener: (message: unknown) => void): unknown;
}

interface Wire {
  e?: unknown;
}

/**
 * Typed calls over `process.send`. Errors travel as `{code, message, hint}` and arrive as `DhError`. Calls have no
 * time limit: some wait for room on purpose, and a dead peer ends them through `$close`.
 */
export function openRpc<Remote extends object, Local extends object>(
  port: MessagePort,
  local: Local,
  eventNames: (keyof Remote)[] = [],
): BirpcReturn<Remote, Local> {
  return createBirpc<Remote, Local>(local, {
    post: (message: unknown) => {
      // A channel that closes while a message is under way is reported by the process's own exit event.
      port.send?.(message, () => undefined);
    },
    on: (listener) => {
      port.on('message', listener);
    },
    off: (listener) => {
      port.off('message', listener);
    },
    serialize: (message: Wire) =>
      message.e === undefined ? message : { ...message, e: DhError.from(message.e).toJSON() },
    deserialize: (message: Wire) => (message.e === undefined ? message : { ...message, e: DhError.from(message.e) }),
    eventNames,
    timeout: -1,
  });
}
