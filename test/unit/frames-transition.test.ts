import { expect, test } from 'vitest';
import { NativePicture } from '../../src/frames/native-picture.js';
import { Transition } from '../../src/frames/transition.js';

const size = { width: 320, height: 180 };
function plain(luma: number, { width, height } = size): NativePicture {
  const picture = new NativePicture(width, height);
  picture.y.fill(luma);
  return picture;
}

test('a transition goes from the old picture to the new one in as many frames as asked for, without a jump', () => {
  const transition = new Transition(plain(60), size, 6);
  const lumas: number[] = [];
  for (let over = false; !over;) {
    const frame = plain(200);
    over = transition.blend(frame);
    lumas.push(frame.y[1000]!);
    frame.close();
  }
  transition.close();
  expect(lumas).toHaveLength(6);
  const steps = [60, ...lumas, 200].slice(1).map((luma, i) => luma - [60, ...lumas][i]!);
  expect(Math.min(...steps)).toBeGreaterThan(0);
  expect(Math.max(...steps)).toBeLessThan(35);
});

test('a picture of another size is letterboxed into the new one', () => {
  const tall = plain(200, { width: 180, height: 320 });
  const transition = new Transition(tall, size, 3);
  tall.close();
  const frame = plain(60);
  transition.blend(frame);
  const row = 90 * frame.strideY;
  expect(frame.y[row + 160]).toBeGreaterThan(60); // the old picture, in the middle
  expect(frame.y[row + 4]).toBeLessThan(60); // its bars
  const before = NativePicture.allocated;
  transition.blend(frame);
  expect(NativePicture.allocated).toBe(before);
  transition.close();
});
