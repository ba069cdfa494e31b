/** Child process that bakes avatars: drawing takes memory that is best given back to the system as a whole. */
import { constants, setPriority } from 'node:os';
import { bakeStored } from './bake.js';
import { storeBake } from './bake-cache.js';
import { Catalogue } from './catalogue.js';
import { DhError, type ErrorJson } from '../errors.js';
import { endWithParent, sendToParent } from '../rpc/parent.js';

/** Asks for one bake. `spareDir` is used when the cache cannot be written. */
export interface BakeRequest {
  id: number;
  avatar: string;
  width: number;
  height: number;
  cacheDir: string;
  spareDir: string;
  avatarsDirs: string[];
}

/** `loaded`: the avatar is there and valid, and is baked now unless the cache has it. */
export type BakeReply =
  | { id: number; kind: 'loaded' }
  | { id: number; kind: 'progress'; done: number; total: number }
  | { id: number; kind: 'done'; path: string }
  | { id: number; kind: 'failed'; error: ErrorJson };

const reply: (message: BakeReply) => void = sendToParent;

async function serve(request: BakeRequest): Promise<void> {
  const { id, avatar, width, height, cacheDir, spareDir } = request;
  try {
    const source = await new Catalogue(request.avatarsDirs).load(avatar);
    reply({ id, kind: 'loaded' });
    const onProgress = (done: number, total: number) => reply({ id, kind: 'progress', done, total });
    const { baked, path: cached } = await bakeStored(source, { width, height, cacheDir, onProgress });
    const path = cached ?? (await storeBake(spareDir, source, baked));
    if (path === null) {
      throw new DhError('internal', 'The drawn avatar cannot be stored: the disk is full or cannot be written.', {
        hint: 'Set cacheDir to a folder that can be written.',
      });
    }
    reply({ id, kind: 'done', path });
  } catch (error) {
    reply({ id, kind: 'failed', error: DhError.from(error).toJSON() });
  }
}

try {
  // Whoever is live goes first.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
} catch {
  // Not allowed here; then it runs as it is.
}
process.on('message', (request: BakeRequest) => void serve(request));
endWithParent();
