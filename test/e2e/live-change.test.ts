import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EventLog, startServer, until, type Json, type TestServer } from '../support/server.js';
import { installProbe, launchBrowser, openPage, readProbe } from '../support/viewer-probe.js';

const main = '/api/v1/sessions/main';
const LOUD = 0.01;

let server: TestServer;
let browser: Browser;
beforeAll(async () => {
  [server, browser] = await Promise.all([
    startServer({ args: ['--preset', 'low', '--debug-timecode'] }),
    launchBrowser(),
  ]);
}, 120_000);
afterAll(async () => {
  await browser.close();
  await server.stop();
});

async function change(session: Record<string, unknown>): Promise<Json> {
  const response = await fetch(server.url + main, {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ session }),
  });
  return response.json();
}

/** Size of the picture that the page shows. */
const sizeOf = (page: Page): Promise<string> =>
  page.locator('video').evaluate((video) => {
    const { videoWidth, videoHeight } = video as unknown as { videoWidth: number; videoHeight: number };
    return `${videoWidth}x${videoHeight}`;
  });

it('a page goes on through changes of size and rate in a sentence: new pictures, the same sound', async () => {
  const errors: string[] = [];
  const page = await openPage(browser, `${server.url}/`, errors);
  await installProbe(page);
  await until(async () => (await readProbe(page)).frames.length > 25, 20_000);
  expect(await sizeOf(page)).toBe('640x360');
  const connections = (await server.get(main)).viewerStats.map(({ id }: Json) => id);

  const events = await EventLog.open(server);
  const text =
    'All along the wall, the tall lamps fall on small cars. Far away we all go home, and no one knows how it goes on.';
  const { utteranceId } = (await (await server.post(`${main}/say`, { text })).json()) as Json;
  await until(async () => (await readProbe(page)).sound.some(({ rms }) => rms > LOUD));
  await readProbe(page, true);
  expect((await change({ width: 1280, height: 720, bitrateKbps: 2500, opusBitrateKbps: 48 })).idr).toBe(true);
  await until(async () => (await sizeOf(page)) === '1280x720');
  expect((await change({ width: 640, height: 360, maxQueueSize: 5, idleQuality: 'half' })).idr).toBe(true);
  await until(async () => (await sizeOf(page)) === '640x360');
  await events.next('utterance.ended', (data: Json) => data.utteranceId === utteranceId, 30_000);

  const { frames } = await readProbe(page);
  const numbers = frames.flatMap(({ n }) => n ?? []);
  // Pictures of both sizes carry on with the same count, and the mouth moves in them.
  expect(numbers.every((n, i) => i === 0 || n > numbers[i - 1]!)).toBe(true);
  expect(Math.max(...frames.map(({ dark }) => dark))).toBeGreaterThan(0.2);
  expect(errors).toEqual([]);
  const session = await server.get(main);
  expect(session.viewerStats.map(({ id }: Json) => id)).toEqual(connections);
  expect(session).toMatchObject({ width: 640, pool: { outstanding: 0 }, queue: { capacity: 5, drops: 0 } });
  events.close();
}, 90_000);
