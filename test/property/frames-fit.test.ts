import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_PAD, Fit, fitRect } from '../../src/frames/fit.js';
import { NativePicture } from '../../src/frames/native-picture.js';
import { crossFade, States } from '../../src/frames/states.js';
import { drawTimeCode, readTimeCode, TIME_CODE_MODULO } from '../../src/frames/time-code.js';
import type { I420Frame } from '../../src/units.js';

/** A picture in plain memory with odd strides, as other code may bring. */
function plain(width: number, height: number, extra = 0): I420Frame {
  const strideY = width + extra;
  const strideUV = width / 2 + extra;
  const y = new Uint8Array(strideY * height);
  const u = new Uint8Array((strideUV * height) / 2);
  const v = new Uint8Array((strideUV * height) / 2);
  return { width, height, y, u, v, strideY, strideUV };
}

function fill(frame: I420Frame, y: number, u: number, v: number): void {
  frame.y.fill(y);
  frame.u.fill(u);
  frame.v.fill(v);
}

const even = (min: number, max: number): fc.Arbitrary<number> =>
  fc.integer({ min: min / 2, max: max / 2 }).map((half) => half * 2);
const size = even(16, 260);

test('fit: picture inside, pad outside, nothing else, whatever the shapes and the memory', () => {
  fc.assert(
    fc.property(size, size, size, size, fc.boolean(), fc.boolean(), (sw, sh, dw, dh, nativeSrc, nativeDst) => {
      const src = nativeSrc ? new NativePicture(sw, sh) : plain(sw, sh, 3);
      const dst = nativeDst ? new NativePicture(dw, dh) : plain(dw, dh, 5);
      const fit = new Fit();
      fill(src, 180, 90, 160);
      fill(dst, 1, 2, 3);
      fit.fitInto(src, dst);
      const rect = fitRect(sw, sh, dw, dh);
      expect(rect.x + rect.width).toBeLessThanOrEqual(dw);
      expect(rect.y + rect.height).toBeLessThanOrEqual(dh);
      expect(rect.width === dw || rect.height === dh).toBe(true);
      for (let row = 0; row < dh; row++) {
        for (let x = 0; x < dw; x++) {
          const inside = x >= rect.x && x < rect.x + rect.width && row >= rect.y && row < rect.y + rect.height;
          const [y, u, v] = inside ? [180, 90, 160] : [DEFAULT_PAD.y, DEFAULT_PAD.u, DEFAULT_PAD.v];
          const c = (row >> 1) * dst.strideUV + (x >> 1);
          const off = [dst.y[row * dst.strideY + x], dst.u[c], dst.v[c]].map((value, i) =>
            Math.abs((value ?? 999) - ([y, u, v][i] ?? 0)),
          );
          if (Math.max(...off) > 2) throw new Error(`pixel ${x},${row}: off by ${off.join()}`);
        }
      }
      fit.close();
      for (const frame of [src, dst]) if (frame instanceof NativePicture) frame.close();
    }),
    { numRuns: 60 },
  );
});

test('fit: the same size is copied exactly, a time code survives any scaling', () => {
  const numbers = fc.integer({ min: 0, max: TIME_CODE_MODULO - 1 });
  const shape = fc.constantFrom([640, 360], [512, 512], [720, 1280], [1280, 720], [214, 120]);
  fc.assert(
    fc.property(numbers, shape, shape, (n, [sw = 0, sh = 0], [dw = 0, dh = 0]) => {
      const src = new NativePicture(sw, sh);
      const dst = new NativePicture(dw, dh);
      drawTimeCode(src, n);
      expect(readTimeCode(src.y, sw, sh, src.strideY)).toBe(n);
      const fit = new Fit();
      fit.fitInto(src, dst);
      const rect = fitRect(sw, sh, dw, dh);
      const inner = dst.y.subarray(rect.y * dst.strideY + rect.x);
      expect(readTimeCode(inner, rect.width, rect.height, dst.strideY)).toBe(n);
      if (sw === dw && sh === dh) expect(Buffer.compare(src.y, dst.y)).toBe(0);
      fit.close();
      src.close();
      dst.close();
    }),
    { numRuns: 40 },
  );
});

test('time code: no number is read where none was drawn, or where a block was painted over', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: TIME_CODE_MODULO - 1 }),
      fc.integer({ min: 0, max: 15 }),
      fc.integer({ min: 0, max: 1 }),
      (n, cell, row) => {
        const picture = plain(400, 200);
        expect(readTimeCode(picture.y, 400, 200)).toBeNull();
        drawTimeCode(picture, n);
        const left = (cell + 2) * 20;
        for (let y = row * 10; y < row * 10 + 10; y++) {
          for (let x = left; x < left + 20; x++) picture.y[y * 400 + x] = 251 - (picture.y[y * 400 + x] ?? 0);
        }
        expect(readTimeCode(picture.y, 400, 200)).toBeNull();
      },
    ),
  );
});

test('time code: the reader works from its source text alone, on RGBA', () => {
  const picture = plain(640, 360);
  drawTimeCode(picture, 123_456);
  const rgba = new Uint8ClampedArray(640 * 360 * 4);
  picture.y.forEach((value, i) => rgba.fill((value - 16) * 1.16, i * 4, i * 4 + 3));
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- as a page does
  const read: unknown = new Function(`return (${readTimeCode.toString()})`)()(rgba, 640, 360);
  expect(read).toBe(123_456);
});

test('cross-fade: exact ends, between its inputs, right to half a step', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(byte, byte, fc.integer({ min: 0, max: 256 }), (from, to, weight) => {
      const [a, b, out] = [plain(16, 8, 1), plain(16, 8, 0), plain(16, 8, 7)];
      fill(a, from, to, from);
      fill(b, to, from, to);
      crossFade(a, b, weight, out);
      const exact = (from * (256 - weight) + to * weight) / 256;
      expect(Math.abs((out.y[0] ?? 999) - exact)).toBeLessThanOrEqual(0.5);
      expect(Math.abs((out.v[3 * out.strideUV + 7] ?? 999) - exact)).toBeLessThanOrEqual(0.5);
      expect(out.y[16]).toBe(0);
      crossFade(a, b, weight, a);
      expect(a.y[0]).toBe(out.y[0]);
    }),
  );
  expect(() => {
    crossFade(plain(16, 8), plain(16, 16), 0, plain(16, 8));
  }).toThrow(RangeError);
  expect(() => {
    crossFade(plain(16, 8), plain(16, 8), 257, plain(16, 8));
  }).toThrow(RangeError);
});

test('states: whatever is asked for, the picture never jumps and arrives', () => {
  const wish = fc.constantFrom('idle', 'speaking', 'wave');
  fc.assert(
    fc.property(fc.array(wish, { maxLength: 60 }), fc.integer({ min: 2, max: 4 }), (wishes, fadeFrames) => {
      const states = new States({ fadeFrames });
      let shares: Record<string, number> = { idle: 256 };
      const step = (): void => {
        const { from, to, weight256 } = states.step();
        const now: Record<string, number> = { [from]: 256 - weight256 };
        now[to] = weight256;
        for (const name of ['idle', 'speaking', 'wave']) {
          expect(Math.abs((now[name] ?? 0) - (shares[name] ?? 0))).toBeLessThanOrEqual(132);
        }
        shares = now;
      };
      for (const wanted of wishes) {
        states.request(wanted);
        step();
      }
      for (let i = 0; i < 2 * fadeFrames; i++) step();
      expect(shares[states.wanted]).toBe(256);
    }),
  );
});
