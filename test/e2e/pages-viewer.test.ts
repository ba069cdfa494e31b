import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holds, live, startPages, type PagesFixture } from './pages-fixture.js';

let pages: PagesFixture;
beforeAll(async () => {
  pages = await startPages();
});
afterAll(() => pages.close());

const posts = () => pages.api.calls.filter((call) => call.startsWith('POST /whep')).length;
const deletes = () => pages.api.calls.filter((call) => call.startsWith('DELETE /whep')).length;
const video = 'document.querySelector("dh-live-viewer").video';

describe('the viewer page', () => {
  it('shows the stream over the whole window, under the policy, with little to load', async () => {
    const page = await pages.open('/blank');
    let bytes = 0;
    page.on('response', (response) => {
      void response.body().then(
        (body) => (bytes += body.length),
        () => undefined,
      );
    });
    await page.goto(pages.api.url);
    await live(page);
    const box = await page.locator('dh-live-viewer').boundingBox();
    expect(box).toEqual({ x: 0, y: 0, width: 1280, height: 800 });
    expect(await page.evaluate(`${video}.videoWidth / ${video}.videoHeight`)).toBeCloseTo(16 / 9, 2);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(1280);
    expect(bytes).toBeGreaterThan(5_000);
    expect(bytes).toBeLessThan(100_000);
    expect(pages.errors).toEqual([]);
  });

  it('turns the sound on by one click, and obeys its keys', async () => {
    const page = await pages.open('/');
    await live(page);
    expect(await page.evaluate(`${video}.muted`)).toBe(true);
    await page.evaluate(
      'window.heard = []; document.addEventListener("dh-sound", (event) => heard.push(event.detail))',
    );
    const button = page.getByRole('button', { name: 'Turn sound on', exact: true });
    await button.click();
    expect(await page.evaluate(`[${video}.muted, ${video}.paused]`)).toEqual([false, false]);
    await button.waitFor({ state: 'hidden' });
    await page.keyboard.press('m');
    expect(await page.evaluate(`${video}.muted`)).toBe(true);
    expect(await button.isVisible()).toBe(false);
    await page.keyboard.press('m');
    expect(await page.evaluate(`${video}.muted`)).toBe(false);
    await expect.poll(() => page.evaluate('heard.map(({ muted }) => muted)')).toEqual([false, true, false]);
    // The next load of the page knows it.
    await expect.poll(() => page.evaluate('localStorage.getItem("dh-live.sound")')).toBe('on');
    await page.locator('dh-live-viewer').click({ position: { x: 300, y: 200 } });
    await page.keyboard.press(' ');
    expect(await page.evaluate(`${video}.paused`)).toBe(true);
    await page.getByText('Paused').waitFor();
    // The sound is another matter than the picture.
    await page.keyboard.press('m');
    await page.keyboard.press('m');
    expect(await page.evaluate(`[${video}.muted, ${video}.paused]`)).toEqual([false, true]);
    await page.keyboard.press(' ');
    await holds(page, `!${video}.paused`);
    await page.keyboard.press('f');
    await holds(page, 'document.fullscreenElement !== null');
    await page.keyboard.press('f');
    await holds(page, 'document.fullscreenElement === null');
  });

  it('says that the server is full, waits as long as it is told, and gets in afterwards', async () => {
    const page = await pages.open('/blank');
    pages.api.refuse = { status: 503, code: 'viewer_limit', message: 'All places are taken.', retryAfterS: 2 };
    await page.goto(pages.api.url);
    await page.getByRole('status').getByText('The server is full').waitFor();
    const before = posts();
    const refusedAt = Date.now();
    pages.api.refuse = null;
    await live(page);
    expect(posts()).toBe(before + 1);
    expect(Date.now() - refusedAt).toBeGreaterThan(1500);
  });

  it('does not call a restarting server full', async () => {
    const page = await pages.open('/blank');
    pages.api.refuse = { status: 503, code: 'stage_unavailable', message: 'The stage is starting.', retryAfterS: 1 };
    await page.goto(pages.api.url);
    await page.getByRole('status').getByText('Reconnecting').waitFor();
    await page.getByText('The stage is starting.').waitFor();
    pages.api.refuse = null;
    await live(page);
  });

  it('says that there is no such session', async () => {
    const page = await pages.open('/?session=nobody');
    await page.getByRole('status').getByText('No such session').waitFor();
  });

  it('stops at a refusal that no retry can change, and tries again on demand', async () => {
    const page = await pages.open('/blank');
    const hint = 'Add ?token= to the address.';
    pages.api.refuse = { status: 401, code: 'unauthorized', message: 'A token is needed.', hint };
    await page.goto(pages.api.url);
    await page.getByText(`A token is needed. ${hint}`).waitFor();
    expect(posts()).toBe(1);
    pages.api.refuse = null;
    await page.getByRole('button', { name: 'Try again' }).click();
    await live(page);
  });

  it('reconnects when the picture stops though the connection stays', async () => {
    const page = await pages.open('/');
    await live(page);
    await page.evaluate(
      'window.seen = []; document.addEventListener("dh-state", (event) => window.seen.push(event.detail.state))',
    );
    await pages.publisher.evaluate(
      'for (const pc of Object.values(peers)) for (const sender of pc.getSenders()) void sender.replaceTrack(null)',
    );
    await holds(page, 'window.seen.at(-1) === "live"');
    const seen = await page.evaluate<string[]>('window.seen');
    expect(seen[0]).toBe('reconnecting');
    expect(seen).not.toContain('failed');
    // The place that was given up is freed at once.
    expect(deletes()).toBe(1);
  });

  it('is back in a moment when the server has forgotten it', async () => {
    const page = await pages.open('/');
    await live(page);
    await page.evaluate(
      'window.seen = []; document.addEventListener("dh-state", (event) => window.seen.push(event.detail.state))',
    );
    const begin = performance.now();
    await pages.api.forgetViewers();
    await holds(page, 'window.seen.at(-1) === "live"');
    // Sooner than it takes to notice that the picture stands still.
    expect(performance.now() - begin).toBeLessThan(2500);
    expect(pages.api.calls.filter((call) => call.startsWith('PATCH /whep/main/')).length).toBeGreaterThan(0);
    // There is nothing to take leave of.
    expect([posts(), deletes()]).toEqual([2, 0]);
  });

  it('takes ICE servers that the answer names', async () => {
    const page = await pages.open('/blank');
    pages.api.answerHeaders = { Link: '<stun:127.0.0.1:9>; rel="ice-server"' };
    await page.goto(pages.api.url);
    await live(page);
    expect(pages.errors).toEqual([]);
  });

  it('says what is wrong with an answer that the browser cannot use, once', async () => {
    const page = await pages.open('/blank', {
      script: `RTCPeerConnection.prototype.setRemoteDescription = () =>
        Promise.reject(new DOMException('Failed to parse this.', 'OperationError'));`,
    });
    await page.goto(pages.api.url);
    await page.getByRole('status').getByText('Failed to parse this.').waitFor();
    await page.getByRole('button', { name: 'Try again' }).waitFor();
    expect(posts()).toBe(1);
  });

  it.each(['answer', 'refuse'] as const)(
    'plays the sound and says why there is no picture without H.264 (the server says so by %s)',
    async (how) => {
      const script = `
        const capabilities = RTCRtpReceiver.getCapabilities;
        RTCRtpReceiver.getCapabilities = (kind) => {
          const { codecs, ...rest } = capabilities.call(RTCRtpReceiver, kind);
          return { ...rest, codecs: codecs.filter(({ mimeType }) => mimeType !== 'video/H264') };
        };
        document.addEventListener('dh-state', ({ detail }) => (window.last = detail));`;
      const page = await pages.open('/blank', { script });
      pages.api.h264Only = how;
      await page.goto(pages.api.url);
      await page.getByRole('status').getByText('This browser cannot show the picture (no H.264 or VP8)').waitFor();
      await page.getByText('use Chrome, Edge, Firefox or Safari.').waitFor();
      expect(await page.evaluate('[last.state, last.picture]')).toEqual(['live', false]);
      await page.getByRole('button', { name: 'Turn sound on' }).click();
      await holds(page, `!${video}.muted && !${video}.paused && ${video}.currentTime > 0`);
      expect(posts()).toBe(how === 'answer' ? 1 : 2);
      expect(pages.errors).toEqual([]);
    },
  );

  it('tells the server when the page is left', async () => {
    const page = await pages.open('/');
    await live(page);
    await page.goto(`${pages.api.url}/blank`);
    await expect.poll(deletes).toBe(1);
  });

  it('comes back to life out of the back/forward cache, or anew', async () => {
    const page = await pages.open('/');
    await live(page);
    await page.goto(`${pages.api.url}/blank`);
    await page.goBack();
    await live(page);
    expect(posts()).toBe(2);
  });
});

describe('<dh-live-viewer> in a page of somebody else', () => {
  it('switches its stream, and lets go when it is removed', async () => {
    const page = await pages.open('/blank');
    await page.addScriptTag({ type: 'module', url: '/web/dh-live-viewer.js' });
    await page.evaluate(`
      const viewer = document.createElement('dh-live-viewer');
      viewer.style.cssText = 'width: 400px; height: 400px';
      viewer.setAttribute('src', '/whep/main');
      document.body.append(viewer);`);
    await live(page);
    await page.evaluate('document.querySelector("dh-live-viewer").setAttribute("src", "/whep/guide")');
    await expect.poll(() => pages.api.calls.filter((call) => call === 'POST /whep/guide').length).toBe(1);
    await live(page);
    await page.evaluate('document.querySelector("dh-live-viewer").remove()');
    await expect.poll(deletes).toBe(2);
    expect(pages.errors).toEqual([]);
  });
});
