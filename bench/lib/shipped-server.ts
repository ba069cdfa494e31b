import { startServer, type TestServer } from '../../test/support/server.js';

/** What `npm start` (scripts/start.mjs) sets. */
const MALLOC = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' };

/** The compiled server as `npm start` runs it, at the default preset, with the time code in its pictures. */
export function startShippedServer(): Promise<TestServer> {
  return startServer({ args: ['--debug-timecode'], env: { DH_LIVE_LOG_LEVEL: 'info', ...MALLOC } });
}
