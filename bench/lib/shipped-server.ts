import { HEAP_FLAGS, MALLOC_ENV } from '../../src/malloc-env.js';
import { startServer, type TestServer } from '../../test/support/server.js';

/** The compiled server as `npm start` runs it, at the default preset, with the time code in its pictures. */
export function startShippedServer(args: string[] = ['--debug-timecode']): Promise<TestServer> {
  return startServer({ nodeArgs: HEAP_FLAGS, args, env: { DH_LIVE_LOG_LEVEL: 'info', ...MALLOC_ENV } });
}
