import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holds, live, startPages, type PagesFixture } from './pages-fixture.js';

let pages: PagesFixture;
beforeAll(async () => {
  pages = await startPages();
});
afterAll(() => pages.close());

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
