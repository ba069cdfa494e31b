import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkPicture, drawStill } from '../../src/render/still-picture.js';
import { svgCost } from '../../src/render/svg-cost.js';

const svg = (body: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="64" height="64">${body}</svg>`;

/** A rectangle that is referred to twice by a group that is referred to twice … */
function doubling(times: number, reference: (id: string) => string): string {
  const groups = Array.from({ length: times }, (_, i) => `<g id='g${i + 1}'>${reference(`g${i}`).repeat(2)}</g>`);
  return svg(`<defs><rect id="g0" width="1" height="1"/>${groups.join('')}</defs>${reference(`g${times}`)}`);
}

describe('what an SVG costs', () => {
  it.each([
    [1, svg('')],
    [3, svg('<!-- <g/><g/> --><rect width="4"\n height="5"/><style><![CDATA[ a > b <g/> ]]></style>')],
    [4, svg('<g id="a"><a href="#a"><text title="x > y">a</text></a></g>')],
    // Twice as a definition, twice as it is used.
    [6, svg('<g id="a"><rect/></g><use href="#a"/>')],
    [5, svg('<g id="a"><use href="#b"/></g><g id="b"/>')],
  ])('%d elements', (cost, text) => {
    expect(svgCost(text)).toBe(cost);
  });

  it.each([
    ['use', (id: string) => `<use xlink:href="#${id}"/>`],
    ['patterns', (id: string) => `<rect fill="url(#${id})"/>`],
    ['styles', (id: string) => `<rect style="mask: url('#${id}')"/>`],
  ])('grows with every reference (%s)', (_, reference) => {
    expect(svgCost(doubling(10, reference))).toBeLessThan(20_000);
    expect(svgCost(doubling(30, reference))).toBeGreaterThan(1e9);
  });

  it('ends at circles', () => {
    expect(svgCost(svg('<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g>'))).toBeLessThan(20);
  });
});

describe('pictures of a render', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'dh-svg-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  it('refuses an SVG of a billion elements at once, packed or not, and takes one of a thousand', async () => {
    const use = (id: string): string => `<use href="#${id}"/>`;
    const path = join(dir, 'a.svg');
    for (const bytes of [doubling(30, use), gzipSync(doubling(30, use))]) {
      await writeFile(path, bytes);
      await expect(checkPicture(path)).rejects.toMatchObject({
        code: 'clips_invalid',
        message: expect.stringContaining('more than 50000 elements'),
      });
    }
    await writeFile(path, doubling(9, use));
    await checkPicture(path);
    (await drawStill({ image: path, caption: null }, 64, 64)).close();
  });

  it('blames the picture when it is drawn and was cut off', async () => {
    const path = join(dir, 'cut.png');
    const { default: sharp } = await import('sharp');
    const noise = await sharp({
      create: {
        width: 200,
        height: 200,
        channels: 3,
        background: 'red',
        noise: { type: 'gaussian', mean: 90, sigma: 60 },
      },
    })
      .png()
      .toBuffer();
    await writeFile(path, noise.subarray(0, noise.length / 2));
    await expect(drawStill({ image: path, caption: null }, 64, 64)).rejects.toMatchObject({ code: 'clips_invalid' });
  });
});
