import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openLeanModule } from '../../src/speech/lean-module.js';

interface Api {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: Record<string, unknown> };
}
const { Module, Instance } = (globalThis as unknown as { WebAssembly: Api }).WebAssembly;

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'dh-live-lean-'))));
afterAll(() => rmSync(folder, { recursive: true }));

const section = (id: number, ...content: number[]): number[] => [id, content.length, ...content];
const ascii = (text: string): number[] => [text.length, ...Buffer.from(text)];

/** One memory of one page, exported as `memory`; a function `f` that returns 7; the given data section. */
function moduleFile(name: string, data: number[], cut = 0): string {
  const bytes = Buffer.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(0, ...ascii('note'), 1, 2, 3),
    ...section(1, 1, 0x60, 0, 1, 0x7f),
    ...section(3, 1, 0),
    ...section(5, 1, 0, 1),
    ...section(7, 2, ...ascii('memory'), 2, 0, ...ascii('f'), 0, 0),
    ...section(10, 1, 4, 0, 0x41, 7, 0x0b),
    ...data,
    ...section(0, ...ascii('name'), 9, 9),
  ]);
  const path = join(folder, name);
  writeFileSync(path, bytes.subarray(0, bytes.length - cut));
  return path;
}

function memoryOf(instance: { exports: Record<string, unknown> }): Buffer {
  return Buffer.from((instance.exports['memory'] as { buffer: ArrayBuffer }).buffer);
}

// i32.const 300 needs two bytes.
const TWO_SEGMENTS = section(11, 2, 0, 0x41, 16, 0x0b, 3, 1, 2, 3, 0, 0x41, 0xac, 0x02, 0x0b, 2, 8, 9);

test('an instance filled from the file equals one that was made of the whole module', () => {
  const path = moduleFile('whole.wasm', TWO_SEGMENTS);
  const whole = new Instance(new Module(readFileSync(path)));
  const lean = openLeanModule(path);
  const instance = new Instance(new Module(lean.code));
  expect(memoryOf(instance).some((byte) => byte !== 0)).toBe(false);
  lean.fill(new Uint8Array((instance.exports['memory'] as { buffer: ArrayBuffer }).buffer));
  lean.close();
  expect(memoryOf(instance).equals(memoryOf(whole))).toBe(true);
  expect(memoryOf(instance).subarray(300, 302)).toEqual(Buffer.of(8, 9));
  expect((instance.exports['f'] as () => number)()).toBe(7);
});

test('neither data nor names are compiled', () => {
  const lean = openLeanModule(moduleFile('names.wasm', TWO_SEGMENTS));
  lean.close();
  expect(Buffer.from(lean.code).includes('name')).toBe(false);
  expect(Buffer.from(lean.code).includes(Buffer.of(1, 2, 3, 0))).toBe(false);
});

test('what is no module, or has passive data, is refused', () => {
  const text = join(folder, 'text.wasm');
  writeFileSync(text, 'not a module at all');
  expect(() => openLeanModule(text)).toThrow('no WebAssembly module');
  const passive = moduleFile('passive.wasm', section(11, 1, 1, 2, 5, 5));
  expect(() => openLeanModule(passive)).toThrow('constant address');
  expect(() => openLeanModule(join(folder, 'none.wasm'))).toThrow('ENOENT');
});

test('data that is cut short is noticed', () => {
  const lean = openLeanModule(moduleFile('short.wasm', TWO_SEGMENTS, 10));
  const memory = new Uint8Array(65_536);
  expect(() => lean.fill(memory)).toThrow('cut short');
  lean.close();
});
