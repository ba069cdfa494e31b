/**
 * Entry of a process that makes one part at a time. It gets `PartJob`s as messages and answers with `PartReply`s; it
 * ends with its parent.
 */
import { DhError, type ErrorJson } from '../errors.js';
import { endWithParent, sendToParent } from '../rpc/parent.js';
import type { PartJob } from './part-job.js';
import { renderPart } from './render-part.js';
import { StillTemplates } from './still-templates.js';
import { ownRssBytes } from '../own-memory.js';

/** What a part process says; samples count from the part's start. */
export type PartReply =
  | { kind: 'progress'; samples: number; rssBytes: number }
  | { kind: 'done'; bytes: number }
  | { kind: 'failed'; error: ErrorJson };

endWithParent();

let stills: StillTemplates | null = null;

const send: (reply: PartReply) => void = sendToParent;

process.on('message', (job: PartJob) => {
  stills ??= new StillTemplates(job.output);
  const onProgress = (samples: number): void => {
    send({ kind: 'progress', samples, rssBytes: ownRssBytes() });
  };
  renderPart(job, { stills, onProgress }).then(
    (bytes) => send({ kind: 'done', bytes }),
    (error: unknown) => send({ kind: 'failed', error: DhError.from(error).toJSON() }),
  );
});
