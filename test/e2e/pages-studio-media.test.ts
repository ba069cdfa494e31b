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
    pages.api.emit('utterance.started', { utteranceId: 'u2' });
    await page.getByRole('log').getByText('Speaks: misnamed.bin').waitFor();
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

  it('is paused by an interrupt, and what was typed meanwhile is seen to wait', async () => {
    const page = await pages.open('/studio', { permissions: ['microphone'] });
    await page.getByLabel('Hands-free').check();
    await page.getByRole('button', { name: 'Start talking' }).click();
    await page.getByText('You are live').waitFor();
    const lost = { code: 'audio_dropped', message: '80 ms of live sound were lost.' };
    for (let i = 0; i < 3; i += 1) pages.api.emit('warning', lost);
    await page.getByText('Some sound is lost: raise “Jitter buffer” under Tune.').waitFor();
    expect(await page.getByRole('log').getByText('80 ms of live sound').count()).toBe(1);
    pages.api.pending.push('Typed while I talk.');
    await page.getByText('One more waits until you stop talking').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('Microphone ready').waitFor();
    await page.getByRole('log').getByText('The microphone is paused.').waitFor();
    await expect.poll(() => pages.api.socket.texts).toEqual(['{"type":"end"}']);
    await page.getByRole('log').getByText('One more that waited was dropped.').waitFor();
  });

  it('gives the device back when the session was changed before it came', async () => {
    const script = `
      const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wishes) => {
        await new Promise((resolve) => (window.allow = resolve));
        return (window.given = await ask(wishes));
      };`;
    const page = await pages.open('/studio', { script, permissions: ['microphone'] });
    await page.getByRole('option', { name: 'guide' }).waitFor({ state: 'attached' });
    await page.getByLabel('Hands-free').check();
    await page.getByRole('button', { name: 'Start talking' }).click();
    await page.getByText('Opening the microphone…').waitFor();
    await page.getByLabel('Session', { exact: true }).selectOption('guide');
    await page.getByText('Microphone off').waitFor();
    await page.evaluate('allow()');
    await holds(page, 'window.given?.getTracks().every(({ readyState }) => readyState === "ended")');
    expect(await page.getByText('Microphone off').count()).toBe(1);
    expect(pages.api.calls.filter((call) => call.startsWith('WS'))).toEqual([]);
  });

  it('says in the server’s words why it is not heard', async () => {
    const page = await pages.open('/studio', { permissions: ['microphone'] });
    pages.api.socketError = { code: 'source_busy', message: 'Another source sends sound.', hint: 'Close it.' };
    await page.getByLabel('Hands-free').check();
    await page.getByRole('button', { name: 'Start talking' }).click();
    const alert = page.getByRole('alert').first();
    await alert.getByText('Another source sends sound.').waitFor();
    await alert.getByText('Close it.').waitFor();
    await page.getByText('Microphone off').waitFor();
    expect(await page.getByRole('log').getByText('connection for the microphone').count()).toBe(0);
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
    const convert = page.getByRole('button', { name: 'Convert for older players' });
    if (await convert.isVisible()) {
      expect(bytes.includes('Opus')).toBe(true);
      await convert.click();
      await convert.waitFor({ state: 'hidden' });
      await save.waitFor({ timeout: 80_000 });
      const [converted] = await Promise.all([page.waitForEvent('download'), save.click()]);
      const other = await readFile(await converted.path());
      expect([other.includes('mp4a'), other.includes('Opus')]).toEqual([true, false]);
    }
    expect(pages.errors).toEqual([]);
  });
});
