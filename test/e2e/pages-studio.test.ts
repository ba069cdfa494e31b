import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holds, live, startPages, type PagesFixture } from './pages-fixture.js';

let pages: PagesFixture;
beforeAll(async () => {
  pages = await startPages();
});
afterAll(() => pages.close());

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
    // What the voice does not speak cannot be chosen.
    expect(await page.getByLabel('Language').locator('option:disabled').count()).toBeGreaterThan(0);
    expect(await page.locator('#language option[value=de]').isDisabled()).toBe(false);
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

  it('shows what waits, and says what an interrupt dropped of it', async () => {
    const page = await pages.open('/studio');
    pages.api.pending.push('The second sentence.', 'The third one.');
    await page.getByRole('status').getByText('2 more wait').waitFor();
    const list = page.locator('#waiting-list');
    expect(await list.getByRole('listitem').allInnerTexts()).toEqual(['The second sentence.', 'The third one.']);
    await page.keyboard.press('Escape');
    await page.getByRole('log').getByText('2 more that waited were dropped.').waitFor();
    await page.locator('#waiting').waitFor({ state: 'hidden' });
    const lines = await page.getByRole('log').getByText('Interrupted').allInnerTexts();
    expect(lines).toEqual(['Interrupted after 1.2 s.']);
  });

  it('says when a text is longer than the server takes, and cuts long ones in the log', async () => {
    const page = await pages.open('/studio');
    const box = page.getByRole('textbox', { name: 'Text to speak' });
    await box.fill('x'.repeat(5001));
    await page.getByText('5001 characters, 5000 at most').waitFor();
    await box.fill('many words '.repeat(100));
    await box.press('Enter');
    const line = page.getByRole('log').getByText('Speaks: many words');
    await line.waitFor();
    expect((await line.innerText()).length).toBe(201);
  });

  it('shows the figures of the session and of the server', async () => {
    const page = await pages.open('/studio');
    await live(page);
    const figures = page.locator('#figures');
    for (const text of ['25 fps', '40 of 120 ms', 'full while speaking', '283 MB', 'of 4.0 GB']) {
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

describe('a studio whose server asks for a token', () => {
  it('asks for it, says when it is wrong, shows the preview without it, and never gives it on', async () => {
    const page = await pages.open('/blank');
    pages.api.token = 's3cret';
    await page.goto(`${pages.api.url}/studio`);
    await page.getByText('This server asks for an access token.').waitFor();
    await live(page);
    expect(await page.getByRole('alert').getByText('Authorization').count()).toBe(0);
    await page.getByRole('status').getByText('No access').waitFor();
    expect(await page.locator('#figures').innerText()).not.toContain('undefined');
    expect(await page.getByRole('button', { name: 'Speak' }).isDisabled()).toBe(true);
    const asked = () => pages.api.calls.filter((call) => call.includes('/api/')).length;
    const begin = asked();
    const field = page.getByLabel('Access token', { exact: true });
    await field.fill('guess');
    await field.press('Enter');
    await page.getByText('That is not the token of this server.').waitFor();
    // Nothing else was asked meanwhile: a server may lock out who sends many wrong tokens.
    expect(asked()).toBe(begin + 1);
    await field.fill('s3cret');
    await field.press('Enter');
    await page.getByRole('option', { name: 'guide' }).waitFor({ state: 'attached' });
    await page.getByRole('status').getByText('Idle').waitFor();
    await page.reload();
    await page.getByRole('status').getByText('Idle').waitFor();
    expect(await page.getByRole('link', { name: 'Open the viewer page' }).getAttribute('href')).not.toContain('s3cret');
    expect(pages.api.calls).not.toContain('a token for watching');
    expect(pages.errors).toEqual([]);
  });

  it('takes it from the address and out of it', async () => {
    const page = await pages.open('/blank');
    pages.api.token = 's3cret';
    await page.goto(`${pages.api.url}/studio?token=wrong&session=guide`);
    await page.getByText('The access token of this page is wrong.').waitFor();
    await page.goto(`${pages.api.url}/studio?token=s3cret&session=guide`);
    await page.getByRole('status').getByText('Idle').waitFor();
    expect(new URL(page.url()).search).toBe('?session=guide');
    await live(page);
    await page.goto(`${pages.api.url}/?token=s3cret&session=guide`);
    await live(page);
    expect(new URL(page.url()).search).toBe('?session=guide');
    expect(pages.api.calls).not.toContain('a token for watching');
  });
});

describe('a studio without its session', () => {
  it('says that it was deleted, offers the others, and takes it again when it comes back', async () => {
    const page = await pages.open('/studio');
    await page.getByRole('status').getByText('Idle').waitFor();
    pages.api.sessions.delete('main');
    const overlay = page.locator('#no-session');
    await overlay.getByText('The session “main” was deleted.').waitFor();
    for (const name of ['Record', 'Speak', 'Hold to talk', /Interrupt/]) {
      expect(await page.getByRole('button', { name }).isDisabled()).toBe(true);
    }
    await overlay.getByRole('button', { name: 'guide' }).waitFor();
    expect(await page.getByLabel('Session', { exact: true }).locator('option').allInnerTexts()).toEqual([
      'Choose…',
      'guide',
    ]);
    // The dead one is asked for no more.
    const asked = () => pages.api.calls.filter((call) => /(sessions|whep)\/main/.test(call)).length;
    const begin = asked();
    await page.evaluate('new Promise((resolve) => setTimeout(resolve, 2500))');
    expect(asked()).toBe(begin);
    pages.api.sessions.add('main');
    await overlay.waitFor({ state: 'hidden' });
    await live(page);
    pages.api.sessions.delete('main');
    await overlay.getByRole('button', { name: 'guide' }).click();
    await overlay.waitFor({ state: 'hidden' });
    await live(page);
    expect(new URL(page.url()).search).toBe('?session=guide');
  });

  it('says where to create one when there is none', async () => {
    const page = await pages.open('/blank');
    pages.api.sessions.clear();
    await page.goto(`${pages.api.url}/studio`);
    const overlay = page.locator('#no-session');
    await overlay.getByText('There is no session.').waitFor();
    await overlay.getByText('Create one with “New…”.').waitFor();
    await page.goto(`${pages.api.url}/`);
    await page.getByText('No such session').waitFor();
    await page.getByRole('link', { name: 'studio' }).waitFor();
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
    await page.getByLabel('Sound buffer', { exact: true }).fill('5');
    await page.getByRole('status').getByText('The buffer holds 200 ms').waitFor();
    await page.getByLabel('Jitter buffer').fill('120');
    await page.getByRole('status').getByText('Live sound is held back by 120 ms.').waitFor();
    await page.getByLabel('Size and quality').selectOption('low');
    await page.getByRole('status').getByText('“low” now. Viewers got a new keyframe.').waitFor();
    await page.getByLabel('Memory limit').fill('1500');
    await page.getByRole('status').getByText('The memory limit is 1.5 GB.').waitFor();
    expect(pages.api.patches.slice(1).map(({ body }) => body)).toEqual([
      { session: { idleQuality: 'half' } },
      { session: { maxQueueSize: 5 } },
      { session: { jitterBufferMs: 120 } },
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
    // Less than the server needs is not offered.
    await expect.poll(() => limit.getAttribute('min'), { timeout: 15_000 }).toBe('450');
    await limit.fill('500');
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
