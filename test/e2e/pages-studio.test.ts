import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSilentFilm, encodeSound, tone, wav } from '../integration/media-fixtures.js';
import { holds, live, startPages, type PagesFixture } from './pages-fixture.js';

let pages: PagesFixture;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dh-live-pages-'));
  pages = await startPages();
});
afterAll(async () => {
  await pages.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('speaking in the studio', () => {
  it('speaks what was typed, with voice, language and interruption as chosen', async () => {
    const page = await pages.open('/studio');
    const box = page.getByRole('textbox', { name: 'Text to speak' });
    await box.fill('First line');
    await box.press('Shift+Enter');
    await box.pressSequentially('second 👋');
    await page.getByText('19 characters').waitFor();
    await page.getByLabel('Search voices').fill('german');
    const voice = page.getByRole('region', { name: 'Speak' }).getByLabel('Voice', { exact: true });
    expect(await voice.inputValue()).toBe('espeak:de');
    await page.getByLabel('Language').selectOption('de');
    await page.getByLabel('Interrupt what is being said').check();
    await box.press('Enter');
    await expect.poll(() => pages.api.said.length).toBe(1);
    expect(pages.api.said[0]).toEqual({
      text: 'First line\nsecond 👋',
      voice: 'espeak:de',
      language: 'de',
      interrupt: true,
    });
    await expect.poll(() => box.inputValue()).toBe('');
    await page.getByRole('log').getByText('Speaks: First line').waitFor();
    await page.getByRole('status').getByText('Speaking').waitFor();
    await box.press('ArrowUp');
    expect(await box.inputValue()).toBe('First line\nsecond 👋');
    await page.getByLabel('Search voices').fill('');
    const groups = await page.evaluate('[...document.querySelectorAll("#voice optgroup")].map((group) => group.label)');
    // What Mandarin is called depends on the browser's language data.
    expect(groups).toEqual([expect.stringContaining('Chinese'), 'English', 'German']);
    expect(pages.errors).toEqual([]);
  });

  it('says in words what went wrong, and keeps the text', async () => {
    const page = await pages.open('/studio');
    const hint = 'Send it in parts.';
    pages.api.sayError = { status: 413, code: 'text_too_long', message: 'The text is too long.', hint };
    const box = page.getByRole('textbox', { name: 'Text to speak' });
    await box.fill('Too long');
    await page.getByRole('button', { name: 'Speak' }).click();
    const alert = page.getByRole('alert').first();
    await alert.getByText('The text is too long.').waitFor();
    await alert.getByText(hint).waitFor();
    expect(await box.inputValue()).toBe('Too long');
    pages.api.sayError = null;
    await box.press('Control+Enter');
    await alert.waitFor({ state: 'hidden' });
  });

  it('interrupts with Escape, from wherever the focus is', async () => {
    const page = await pages.open('/studio');
    await page.getByRole('textbox', { name: 'Text to speak' }).press('Escape');
    await page.getByRole('log').getByText('Interrupted after 1.2 s.').waitFor();
    expect(pages.api.calls).toContain('POST /api/v1/sessions/main/interrupt');
  });

  it('shows the figures of the session and of the server', async () => {
    const page = await pages.open('/studio');
    await live(page);
    const figures = page.locator('#figures');
    for (const text of ['25 fps', '1 of 3', '0 dropped', '283 MB', 'of 4.0 GB']) {
      await figures.getByText(text).first().waitFor();
    }
    await page.getByText('Processes').click();
    await page.getByRole('cell', { name: 'stage 1' }).waitFor();
    await page.locator('#chart canvas').waitFor();
    pages.api.emit('state', { state: 'down' });
    await page.getByRole('status').getByText('Restarting').waitFor();
    expect(pages.errors).toEqual([]);
  });
});

describe('watching the server in the studio', () => {
  const points = (id: string) => `document.querySelector('#${id} .u-over')?.clientWidth > 0`;

  it('draws memory by owner against the limit, CPU, queues and viewers, from the history on', async () => {
    const page = await pages.open('/studio');
    for (const id of ['chart-memory', 'chart-cpu', 'chart-queue', 'chart-viewers', 'chart'])
      await holds(page, points(id));
    const legend = page.locator('#chart-memory .u-legend');
    for (const name of ['base', 'avatar presenter', 'session main', 'pictures', 'in no register']) {
      await legend.getByText(name, { exact: true }).waitFor();
    }
    // Far above what is used, the limit is in the title; near, it is a line.
    await page.getByRole('heading', { name: 'Memory by owner (limit 4.0 GB)' }).waitFor();
    await page.getByLabel('Memory limit').fill('500');
    await legend.getByText('limit', { exact: true }).waitFor();
    await page.getByRole('heading', { name: 'Memory by owner', exact: true }).waitFor();
    const image = page.getByRole('img', {
      name: 'Memory: 283 MB of 500 MB are in use, 73 MB of it are in no register',
    });
    await image.waitFor();
    // Something is drawn in the colours of the areas, not only axes.
    const coloured = await page.evaluate<number>(`(() => {
      const canvas = document.querySelector('#chart-memory canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const seen = new Set();
      for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) seen.add(data.slice(i, i + 3).join());
      return seen.size;
    })()`);
    expect(coloured).toBeGreaterThan(4);
    await page.getByText('283 MB of 500 MB (57 %) · base 150 MB · registered 60 MB · in no register 73 MB').waitFor();
    expect(pages.api.calls.filter((call) => call.includes('/history'))).toEqual(['GET /api/v1/history?resolution=1s']);
    expect(pages.errors).toEqual([]);
  });

  it('asks the server once a second, and not at all while nobody looks', async () => {
    const script = `
      let hidden = 'visible';
      Object.defineProperty(document, 'visibilityState', { get: () => hidden });
      window.hide = (state) => { hidden = state; document.dispatchEvent(new Event('visibilitychange')); };`;
    const page = await pages.open('/studio', { script });
    await holds(page, points('chart-memory'));
    const asked = () => pages.api.calls.filter((call) => /^GET .*\/(stats|memory|alerts|history)\b/.test(call)).length;
    const begin = asked();
    const beginMs = performance.now();
    await expect.poll(asked, { timeout: 30_000 }).toBeGreaterThanOrEqual(begin + 4);
    // Four more questions take three seconds at least.
    expect(performance.now() - beginMs).toBeGreaterThan(2_500);
    await page.evaluate('hide("hidden")');
    await page.evaluate('new Promise((resolve) => setTimeout(resolve, 300))');
    const hidden = asked();
    await page.evaluate('new Promise((resolve) => setTimeout(resolve, 2500))');
    expect(asked()).toBe(hidden);
    await page.evaluate('hide("visible")');
    await expect.poll(asked, { timeout: 15_000 }).toBeGreaterThan(hidden);
  });

  it('says alerts in words, with what to do, as they come and go', async () => {
    const page = await pages.open('/studio');
    await page.getByText('No alerts').waitFor();
    const alert = {
      id: 'a1', name: 'disk', subject: 'disk', severity: 'critical', raisedAtMs: Date.now(),
      message: 'The disk has 120 MB left.', advice: 'Delete recordings, or move the cache to a larger disk.',
    }; // prettier-ignore
    pages.api.alerts = [alert];
    pages.api.emitServer('alert.raised', alert);
    const list = page.getByRole('list', { name: 'Alerts' });
    await list.getByText('The disk has 120 MB left.').waitFor();
    await list.getByText('Delete recordings, or move the cache').waitFor();
    await page.getByRole('log').getByText('The disk has 120 MB left.').waitFor();
    pages.api.alerts = [];
    pages.api.emitServer('alert.cleared', alert);
    await page.getByText('No alerts').waitFor();
    expect(await list.getByRole('listitem').count()).toBe(0);
  });

  it('shows the registry as a table, largest first', async () => {
    const page = await pages.open('/studio');
    await page.getByText('What holds memory', { exact: true }).click();
    const rows = page.locator('#registry-rows tr');
    await expect.poll(() => rows.count(), { timeout: 15_000 }).toBe(3);
    expect(await rows.first().innerText()).toMatch(/avatar presenter\s+patches\s+stage-0\s+41 MB/);
    expect(await rows.nth(1).innerText()).toMatch(/image cache\s+control\s+12 MB\s+200 MB\s+5\s+90 %/);
  });

  it('says what is lent, and to whom', async () => {
    const page = await pages.open('/studio');
    await page.getByText('146 MB lent to bake').waitFor();
  });

  it('tunes the session and the server while they run', async () => {
    const page = await pages.open('/studio');
    const rate = page.getByLabel('Bit rate');
    await rate.waitFor();
    await expect.poll(() => rate.inputValue(), { timeout: 15_000 }).toBe('2500');
    await rate.press('ArrowLeft');
    await rate.press('ArrowLeft');
    // Both steps go out as one change.
    await expect
      .poll(() => pages.api.patches, { timeout: 15_000 })
      .toEqual([{ path: 'sessions/main', body: { session: { bitrateKbps: 2300 } } }]);
    await page.getByRole('status').getByText('The bit rate is 2300 kb/s.').waitFor();
    expect(await rate.getAttribute('aria-valuetext')).toBe('2300 kb/s');
    await page.getByLabel('Idle quality').press('ArrowRight');
    await page.getByRole('status').getByText('Idle quality is half').waitFor();
    await page.getByLabel('Queue', { exact: true }).fill('5');
    await page.getByRole('status').getByText('The queue holds 200 ms').waitFor();
    await page.getByLabel('Size and quality').selectOption('low');
    await page.getByRole('status').getByText('“low” now. Viewers got a new keyframe.').waitFor();
    await page.getByLabel('Memory limit').fill('1500');
    await page.getByRole('status').getByText('The memory limit is 1.5 GB.').waitFor();
    expect(pages.api.patches.slice(1).map(({ body }) => body)).toEqual([
      { session: { idleQuality: 'half' } },
      { session: { maxQueueSize: 5 } },
      { preset: 'low' },
      { memory: { maxMemoryMb: 1500 } },
    ]);
    expect(pages.errors).toEqual([]);
  });

  it('goes back to what is in force when a change is refused, and says why', async () => {
    const page = await pages.open('/studio');
    const limit = page.getByLabel('Memory limit');
    await limit.waitFor();
    const hint = 'The server needs 350 MB with this preset.';
    pages.api.patchError = { status: 400, code: 'config_invalid', message: 'The limit is too low.', hint };
    await limit.fill('300');
    await page.getByRole('status').getByText(`The limit is too low. ${hint}`).waitFor();
    await expect.poll(() => limit.inputValue(), { timeout: 15_000 }).toBe('4000');
  });

  it('leaves out what an older server does not have', async () => {
    const page = await pages.open('/studio');
    pages.api.older = true;
    await page.reload();
    await holds(page, points('chart-cpu'));
    const legend = page.locator('#chart-memory .u-legend');
    await legend.getByText('stage 1', { exact: true }).waitFor();
    expect(await page.locator('#tune').isVisible()).toBe(false);
    expect(await page.locator('#registry').isVisible()).toBe(false);
    const asked = pages.api.calls.length;
    await expect
      .poll(() => pages.api.calls.slice(asked).filter((call) => call.includes('/stats')).length, { timeout: 15_000 })
      .toBeGreaterThan(1);
    expect(pages.api.calls.slice(asked).filter((call) => /memory|alerts|history/.test(call))).toEqual([]);
    expect(pages.errors).toEqual([]);
  });
});

describe('files in the studio', () => {
  const choose = async (name: string, bytes?: Buffer) => {
    const path = join(folder, name);
    if (bytes) writeFileSync(path, bytes);
    const page = await pages.open('/studio');
    await page.getByRole('option', { name: 'main' }).waitFor({ state: 'attached' });
    await page.locator('#file').setInputFiles(path);
    return page;
  };

  /** Crossings of zero a second: twice the pitch. */
  const pitch = (body: Buffer) => {
    let crossings = 0;
    for (let at = 46; at + 1 < body.length; at += 2) {
      if (body.readInt16LE(at - 2) < 0 !== body.readInt16LE(at) < 0) crossings += 1;
    }
    return crossings / 2 / ((body.length - 44) / 96_000);
  };

  it('go out as they are when the server takes their kind', async () => {
    const bytes = wav(16_000, tone(16_000), { rateHz: 16_000 });
    const page = await choose('misnamed.bin', bytes);
    await page.getByRole('log').getByText('sent as it is').waitFor();
    expect(pages.api.uploads).toEqual([{ type: 'audio/wav', body: bytes }]);
    expect(pages.api.calls.filter((call) => call.includes('/vendor/ffmpeg'))).toEqual([]);
  });

  it('are decoded by the browser when it can', async () => {
    encodeSound(join(folder, 'opus.webm'), { encoder: 'libopus', rateHz: 48_000, seconds: 1, stereo: true });
    const page = await choose('opus.webm');
    await page.getByRole('log').getByText('decoded in the browser').waitFor();
    const [upload] = pages.api.uploads;
    expect(upload!.type).toBe('audio/wav');
    expect(upload!.body.readUInt32LE(24)).toBe(48_000);
    expect(upload!.body.length / 96_000).toBeCloseTo(1, 1);
    expect(pitch(upload!.body)).toBeCloseTo(440, -1);
    expect(pages.api.calls.filter((call) => call.includes('/vendor/ffmpeg'))).toEqual([]);
  });

  it('go through FFmpeg in the page when nothing else reads them', async () => {
    encodeSound(join(folder, 'film.mkv'), { encoder: 'ac3', rateHz: 44_100, seconds: 3, stereo: true });
    const page = await choose('film.mkv');
    await page.locator('#file-progress').waitFor();
    await page.getByRole('log').getByText('converted with FFmpeg').waitFor({ timeout: 60_000 });
    const [upload] = pages.api.uploads;
    expect(upload!.type).toBe('audio/wav');
    expect(upload!.body.toString('latin1', 0, 4)).toBe('RIFF');
    expect([upload!.body.readUInt16LE(22), upload!.body.readUInt32LE(24)]).toEqual([1, 48_000]);
    expect(upload!.body.length / 96_000).toBeCloseTo(3, 0);
    expect(pitch(upload!.body)).toBeCloseTo(440, -1.5);
    expect(pages.errors).toEqual([]);
  });

  it('are tried another way when the server refuses what it should know', async () => {
    const path = join(folder, 'song.wav');
    writeFileSync(path, wav(48_000, tone(48_000), { rateHz: 48_000, kind: 'f32' }));
    const page = await pages.open('/studio');
    await page.getByRole('option', { name: 'main' }).waitFor({ state: 'attached' });
    pages.api.refuseOnce = true;
    await page.locator('#file').setInputFiles(path);
    await page.getByRole('log').getByText('decoded in the browser').waitFor();
    expect(pages.api.uploads).toHaveLength(1);
  });

  it('are refused in words when there is nothing to hear', async () => {
    const noise = await choose('noise.mp3', Buffer.from('This is a text and no sound at all. '.repeat(100)));
    await noise.getByRole('alert').first().getByText('not a sound or video').waitFor({ timeout: 60_000 });
    encodeSilentFilm(join(folder, 'silent.mkv'));
    const silent = await choose('silent.mkv');
    await silent.getByRole('alert').first().getByText('no sound in this file').waitFor({ timeout: 60_000 });
    const empty = await choose('empty.wav', Buffer.alloc(0));
    await empty.getByRole('alert').first().getByText('is empty').waitFor();
    expect(pages.api.uploads).toEqual([]);
  });

  it('can be cancelled on the way', async () => {
    encodeSound(join(folder, 'long.mkv'), { encoder: 'ac3', rateHz: 48_000, seconds: 60 });
    const page = await choose('long.mkv');
    await page.locator('#file-job').getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('log').getByText('was cancelled').waitFor();
    await page.locator('#file-job').waitFor({ state: 'hidden' });
    expect(pages.api.uploads).toEqual([]);
  });
});

describe('the microphone in the studio', () => {
  it('is heard while the button is held, at the rate of the sound device', async () => {
    const page = await pages.open('/studio', { permissions: ['microphone'] });
    await live(page);
    const { socket } = pages.api;
    const talk = page.locator('#talk');
    await talk.hover();
    await page.mouse.down();
    await page.getByText('You are live').waitFor();
    await expect.poll(() => socket.bytes, { timeout: 10_000 }).toBeGreaterThan(48_000);
    await page.mouse.up();
    await expect.poll(() => socket.texts).toEqual(['{"type":"end"}']);
    expect([44_100, 48_000]).toContain(socket.rate);
    expect(socket.bytes % 2).toBe(0);
    const heard = socket.bytes;
    await page.getByText('Microphone ready').waitFor();
    // The keyboard does the same, over the same connection.
    await talk.focus();
    await page.keyboard.down(' ');
    await expect.poll(() => socket.bytes).toBeGreaterThan(heard);
    await page.keyboard.up(' ');
    await expect.poll(() => socket.texts.length).toBe(2);
    expect(pages.api.calls.filter((call) => call.startsWith('WS'))).toHaveLength(1);
    expect(pages.errors).toEqual([]);
  });

  it('stays on without hands, and silences the preview meanwhile', async () => {
    const page = await pages.open('/studio', { permissions: ['microphone'] });
    await live(page);
    await page.getByRole('button', { name: 'Turn sound on', exact: true }).click();
    await page.getByLabel('Hands-free').check();
    await page.getByRole('button', { name: 'Start talking' }).click();
    await page.getByText('You are live').waitFor();
    expect(await page.evaluate('document.querySelector("dh-live-viewer").muted')).toBe(true);
    await page.getByRole('button', { name: 'Stop talking' }).click();
    await expect.poll(() => pages.api.socket.texts).toEqual(['{"type":"end"}']);
    expect(await page.evaluate('document.querySelector("dh-live-viewer").muted')).toBe(false);
  });

  it('says how to allow it when it is blocked', async () => {
    const script = `navigator.mediaDevices.getUserMedia = () =>
      Promise.reject(new DOMException('no', 'NotAllowedError'));`;
    const page = await pages.open('/studio', { script });
    await page.getByLabel('Hands-free').check();
    await page.getByRole('button', { name: 'Start talking' }).click();
    await page.getByRole('alert').first().getByText('The microphone is blocked.').waitFor();
    await page.getByText('Microphone off').waitFor();
  });
});

describe('sessions and recordings in the studio', () => {
  it('creates, shows and deletes a session', async () => {
    const page = await pages.open('/studio');
    await page.getByRole('button', { name: 'New…' }).click();
    const dialog = page.getByRole('dialog', { name: 'New session' });
    await dialog.getByLabel('Name').fill('guide');
    await dialog.getByRole('button', { name: 'Create' }).click();
    await dialog.getByText('There is a session "guide" already. Take another name.').waitFor();
    await dialog.getByLabel('Name').fill('second');
    await dialog.getByLabel('Preset').selectOption('low');
    await dialog.getByRole('button', { name: 'Create' }).click();
    await dialog.waitFor({ state: 'hidden' });
    const select = page.getByLabel('Session', { exact: true });
    await expect.poll(() => select.inputValue()).toBe('second');
    expect(page.url()).toContain('session=second');
    await expect.poll(() => pages.api.calls).toContain('POST /whep/second');
    await page.getByRole('button', { name: 'Delete…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await expect.poll(() => select.inputValue()).toBe('main');
    expect(pages.api.calls).toContain('DELETE /api/v1/sessions/second');
  });

  it.each([
    ['as the browser does it', ''],
    [
      'turned from WebM into MP4',
      `const supported = MediaRecorder.isTypeSupported;
       MediaRecorder.isTypeSupported = (type) => !type.includes('mp4') && supported(type);`,
    ],
  ])('records the preview, %s', async (_how, script) => {
    const page = await pages.open('/studio', { script });
    await live(page);
    await page.getByRole('button', { name: 'Record' }).click();
    await page.getByRole('button', { name: /Stop 2/ }).click();
    const save = page.getByText('Save MP4');
    await save.waitFor({ timeout: 80_000 });
    const [download] = await Promise.all([page.waitForEvent('download'), save.click()]);
    expect(download.suggestedFilename()).toMatch(/^dh-live-.*\.mp4$/);
    const bytes = await readFile(await download.path());
    expect(bytes.toString('latin1', 4, 8)).toBe('ftyp');
    expect(bytes.length).toBeGreaterThan(5_000);
    expect(pages.errors).toEqual([]);
  });
});

describe('the studio for everybody', () => {
  it.each([
    [1280, 800],
    [820, 1180],
    [390, 844],
    [320, 640],
  ])('fits into %i × %i', async (width, height) => {
    const page = await pages.open('/studio', { viewport: { width, height } });
    await live(page);
    await page.locator('#chart canvas').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
  });

  it.each([920, 1000, 1280, 1560])('leaves no gaps at a width of %i, and room to move the sliders', async (width) => {
    const page = await pages.open('/studio', { viewport: { width, height: 800 } });
    await page.getByLabel('Bit rate').waitFor();
    await page.locator('#chart canvas').waitFor();
    const box = async (selector: string) => (await page.locator(selector).boundingBox())!;
    const bottom = ({ y, height }: { y: number; height: number }): number => y + height;
    const [stage, figures, tune, server] = [
      await box('.stage'),
      await box('.figures'),
      await box('.tune'),
      await box('.server'),
    ];
    expect(figures.y - bottom(stage)).toBeLessThan(20);
    expect(server.y - bottom(figures)).toBeLessThan(20);
    expect(bottom(tune)).toBeCloseTo(bottom(figures), 0);
    for (const slider of ['#tune-bitrate', '#tune-idle', '#tune-memory']) {
      expect((await box(slider)).width).toBeGreaterThan(90);
    }
  });

  it('gives every control a name, and one heading to the page', async () => {
    const page = await pages.open('/studio');
    await live(page);
    const nameless = await page.evaluate<string[]>(`
      [...document.querySelectorAll('button, input, select, textarea, a')]
        .filter((e) => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))
        .map((e) => e.outerHTML)`);
    expect(nameless).toEqual([]);
    expect(await page.locator('h1').count()).toBe(1);
    // Tab goes from the top of the page to the bottom.
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the text to speak');
    for (const id of ['session', 'session-new', 'session-delete', 'viewer-link']) {
      await page.keyboard.press('Tab');
      expect(await page.evaluate('document.activeElement.id')).toBe(id);
    }
    await page.locator('.skip').focus();
    await page.keyboard.press('Enter');
    await holds(page, 'document.activeElement.id === "text"');
  });
});
