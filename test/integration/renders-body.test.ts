import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer, tone, until, wav, type Json, type TestServer } from '../support/server.js';

const RENDERS = '/api/v1/renders';
const MB = 1e6;

describe('the body of POST /renders', { timeout: 60_000 }, () => {
  let server: TestServer;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dh-renders-body-'));
    for (const name of ['one.wav', 'two.wav']) await writeFile(join(folder, name), wav(tone(0.2)));
    server = await startServer({ args: ['--preset', 'low'], env: { DH_LIVE_RENDERS_FOLDER: folder } });
  }, 120_000);
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const post = async (body: unknown): Promise<Json> => {
    const response = await server.post(RENDERS, body);
    return { status: response.status, ...((await response.json()) as object) };
  };
  const remove = (id: string) => fetch(`${server.url}${RENDERS}/${id}`, { method: 'DELETE' });

  it('may have thousands of items: files of the server, one upload many times, long texts', async () => {
    const sent = await fetch(`${server.url}${RENDERS}/uploads`, {
      method: 'POST',
      headers: { 'Content-Type': 'audio/wav' },
      body: new Uint8Array(wav(tone(0.2))),
    });
    const { id: upload } = (await sent.json()) as { id: string };
    const items = Array.from({ length: 10_000 }, (_, i) => {
      const text = `Line ${i}: ${'a text of a list that somebody has translated. '.repeat(5)}`;
      return i % 4 === 0 ? { file: i % 8 ? 'one.wav' : 'two.wav', text } : i % 4 === 1 ? { upload, text } : { text };
    });
    expect(JSON.stringify(items).length).toBeGreaterThan(2 * MB);
    for (const count of [5000, 10_000]) {
      const made = await post({ items: items.slice(0, count), size: '320x180' });
      expect(made).toMatchObject({ status: 202, state: expect.stringMatching(/queued|running/) as string });
      expect((await remove(made.id as string)).status).toBe(204);
      // It went with the only render that used it; the second time it is looked for in vain.
      if (count === 5000) expect((await post({ items })).error).toMatchObject({ code: 'not_found' });
      if (count === 5000) for (const item of items) delete (item as { upload?: string }).upload;
    }
  });

  it.each([
    ['a file that is not there', { file: 'none.wav' }, 404, 'not_found', 'items.4711: '],
    ['a file outside of the folder', { file: '../one.wav' }, 403, 'folder_forbidden', 'items.4711: '],
    ['an upload that is not there', { upload: crypto.randomUUID() }, 404, 'not_found', 'items.4711: '],
    ['neither a file nor a text', { title: 'x' }, 400, 'bad_request', 'items.4711: '],
  ])('is looked at to its end: %s', async (_what, wrong, status, code, begins) => {
    const items: object[] = Array.from({ length: 5000 }, () => ({ file: 'one.wav' }));
    items[4711] = wrong;
    const answer = await post({ items });
    expect([answer.status, answer.error.code]).toEqual([status, code]);
    expect(answer.error.message.startsWith(begins), answer.error.message).toBe(true);
  });

  it('may have no more items than renders.maxItems, and no crowd of values', async () => {
    const many = await post({ items: Array.from({ length: 10_001 }, () => ({ text: 'a' })) });
    expect(many).toMatchObject({ status: 413, error: { code: 'items_too_many' } });
    expect(many.error.message).toContain('10001');
    expect(many.error.hint).toContain('renders.maxItems');
    // Under the limit of bytes, and a hundred times as much in memory.
    const before = await residentKb(server.pid);
    const crowd = await fetch(`${server.url}${RENDERS}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: `{"items":[${'{},'.repeat(2_500_000)}{}]}`,
    });
    expect([crowd.status, ((await crowd.json()) as Json).error.code]).toEqual([413, 'body_too_large']);
    if (before !== null) expect((await residentKb(server.pid))! - before).toBeLessThan(60_000);
  });

  it('of 100 MB is refused before it has come, and costs no memory', async () => {
    const head = `POST ${RENDERS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
    const length = `Content-Length: ${100 * MB}\r\n`;
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write(`${head}${length}\r\n{"items":`);
    const early = await answerOf(socket);
    expect(early).toMatch(/^HTTP\/1\.1 413 /);
    expect(early).toContain('"code":"body_too_large"');
    expect(early).toContain('8 MB');
    expect(early).toContain('renders.maxBodyMb');
    socket.destroy();
    for (const more of [length, 'Transfer-Encoding: chunked\r\n', `${length}Connection: close\r\n`]) {
      const before = await residentKb(server.pid);
      // A client that reads no answer before it has sent all.
      const late = await sendBlindly(server.url, `${head}${more}\r\n`);
      expect(late).toMatch(/^HTTP\/1\.1 413 /);
      expect(late).toContain('"code":"body_too_large"');
      if (before !== null) expect((await residentKb(server.pid))! - before).toBeLessThan(40_000);
    }
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  it('is large here only: other calls keep their limit', async () => {
    const response = await server.post('/api/v1/sessions/main/say', { text: 'a'.repeat(100_000) });
    expect([response.status, ((await response.json()) as Json).error.code]).toEqual([413, 'body_too_large']);
  });

  it('is taken in two at a time, and small ones beside them', async () => {
    const { port } = new URL(server.url);
    const begin = async (): Promise<Socket> => {
      const socket = connect(Number(port), '127.0.0.1');
      const head = `POST ${RENDERS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${MB}\r\n`;
      socket.write(`${head}Expect: 100-continue\r\n\r\n`);
      // Said when the head is read: with it the place is taken.
      expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 100 /);
      socket.write('{');
      return socket;
    };
    const [first, second] = [await begin(), await begin()];
    const third = await post({ items: [{ title: 'x'.repeat(MB) }] });
    expect(third).toMatchObject({ status: 429, error: { code: 'queue_full' } });
    expect((await post({ items: [] })).status).toBe(400);
    first.destroy();
    second.destroy();
    // Their places are free again when they have gone.
    await until(async () => (await post({ items: [{ title: 'x'.repeat(MB) }] })).status === 400);
  });
});

/** The first piece of an answer. */
function answerOf(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket
      .once('data', (data: Buffer) => resolve(data.toString()))
      .once('error', reject)
      .resume();
  });
}

/** Sends a head and 100 MB and only then looks at the answer. */
async function sendBlindly(url: string, head: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.pause();
  try {
    socket.write(head);
    const part = Buffer.alloc(100_000, ' ');
    // A chunk of a body whose length is not known beforehand (RFC 9112, 7.1), or a part of one whose length is.
    const piece = /chunked/.test(head) ? Buffer.concat([Buffer.from('186a0\r\n'), part, Buffer.from('\r\n')]) : part;
    for (let sent = 0; sent < 100 * MB; sent += part.length) {
      if (!socket.write(piece)) await once(socket, 'drain');
    }
    if (/chunked/.test(head)) socket.write('0\r\n\r\n');
    return await answerOf(socket);
  } finally {
    socket.destroy();
  }
}

/** Memory of a process in kB; null where that cannot be read. */
async function residentKb(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const [, kb] = /^VmRSS:\s+(\d+)/m.exec(status) ?? [];
  return kb === undefined ? null : Number(kb);
}
