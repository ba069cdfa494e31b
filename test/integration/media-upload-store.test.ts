import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DhError } from '../../src/errors.js';
import { UploadStore, type UploadStoreOptions } from '../../src/media/upload-store.js';

let parent = '';
let dir = '';
const stores: UploadStore[] = [];
const open = (options: Partial<UploadStoreOptions> = {}): UploadStore => {
  const store = new UploadStore({ dir, maxBytes: 1_000_000, ...options });
  stores.push(store);
  return store;
};

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'dh-upload-'));
  dir = join(parent, 'uploads');
});
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  await rm(parent, { recursive: true, force: true });
});

async function codeOf(run: Promise<unknown>): Promise<string> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DhError);
  return (error as DhError).code;
}

describe('UploadStore', () => {
  it('keeps an upload until it is removed, for nobody else to read', async () => {
    const store = open();
    const data = Buffer.alloc(300_000, 7);
    const upload = await store.receive(Readable.from([data.subarray(0, 100_000), data.subarray(100_000)]));
    expect(upload.bytes).toBe(300_000);
    expect((await readFile(upload.path)).equals(data)).toBe(true);
    if (process.platform !== 'win32') {
      expect((await stat(upload.path)).mode & 0o777).toBe(0o600);
      expect((await stat(dir)).mode & 0o777).toBe(0o700);
    }
    expect(store.count).toBe(1);
    await upload.remove();
    await upload.remove();
    expect(await readdir(dir)).toEqual([]);
    expect(store.count).toBe(0);
  });

  it('knows nothing more of an upload that was handed over', async () => {
    const store = open();
    const [kept, lost] = [await store.receive(Readable.from(['one'])), await store.receive(Readable.from(['two']))];
    await kept.handOver(join(parent, 'kept'));
    expect(store.count).toBe(1);
    expect(await codeOf(lost.handOver(join(parent, 'no such folder', 'lost')))).toBe('media_unavailable');
    expect(store.count).toBe(0);
    await store.close();
    expect(await readFile(join(parent, 'kept'), 'utf8')).toBe('one');
    expect(await readdir(dir)).toEqual([]);
  });

  it('ends what is too large, and keeps nothing of it', async () => {
    const store = open();
    let pulled = 0;
    const endless = new Readable({
      read() {
        pulled += 65_536;
        this.push(Buffer.alloc(65_536));
      },
    });
    expect(await codeOf(store.receive(endless))).toBe('body_too_large');
    expect(pulled).toBeLessThan(2_000_000);
    expect(endless.destroyed).toBe(true);
    expect(await codeOf(store.receive(Readable.from([Buffer.alloc(11)]), { maxBytes: 10 }))).toBe('body_too_large');
    expect((await store.receive(Readable.from([Buffer.alloc(10)]), { maxBytes: 10 })).bytes).toBe(10);
    expect((await readdir(dir)).length).toBe(1);
  });

  it.skipIf(process.platform !== 'linux')('says that the disk is full', async () => {
    const store = open({ createFile: () => createWriteStream('/dev/full') });
    expect(await codeOf(store.receive(Readable.from([Buffer.alloc(100_000)])))).toBe('disk_full');
    expect(store.count).toBe(0);
  });

  it('keeps nothing of an upload that is cut off', async () => {
    const store = open();
    const stream = new PassThrough();
    const upload = store.receive(stream);
    stream.write(Buffer.alloc(1_000));
    stream.destroy(new Error('aborted'));
    expect(await codeOf(upload)).toBe('bad_request');
    const silent = new PassThrough();
    const second = store.receive(silent);
    silent.destroy();
    expect(await codeOf(second)).toBe('bad_request');
    expect(await readdir(dir)).toEqual([]);
  });

  it('stops what is coming in and removes everything when it is closed', async () => {
    const store = open();
    await store.receive(Readable.from([Buffer.alloc(10)]));
    const stream = new PassThrough();
    const upload = store.receive(stream);
    stream.write(Buffer.alloc(1_000));
    const code = codeOf(upload);
    await store.close();
    await store.close();
    expect(await code).toBe('shutting_down');
    expect(await readdir(dir)).toEqual([]);
    expect(await codeOf(store.receive(Readable.from([Buffer.alloc(10)])))).toBe('shutting_down');
  });

  it('says so when it cannot write', async () => {
    const store = open({ dir: '/proc/nothing' });
    expect(await codeOf(store.receive(Readable.from([Buffer.alloc(10)])))).toBe('media_unavailable');
  });
});
