/**
 * Entry of the media process: decodes files that strangers upload, away from everything that must go on. It is
 * started by `MediaChild`, answers one call after the other, and may be killed at any time.
 */
import { createBirpc } from 'birpc';
import { AV_LOG_QUIET } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { MediaJobs } from './media-jobs.js';
import { endWithParent, sendToParent } from '../rpc/parent.js';

Log.setLevel(AV_LOG_QUIET);

// Without a parent there is nobody to decode for. SIGKILL, as an orderly exit would wait for a decoder that hangs.
endWithParent(() => process.kill(process.pid, 'SIGKILL'));

const jobs = new MediaJobs();
createBirpc<Record<string, never>, MediaJobs>(jobs, {
  bind: 'functions',
  post: sendToParent,
  on: (listener) => process.on('message', listener),
});
