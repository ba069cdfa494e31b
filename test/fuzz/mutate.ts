import type { FuzzRandom } from './fuzz-random.js';

/** Values that schemas forget. None is a large valid number: what is merely expensive is no finding. */
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  -0.5,
  2 ** 53,
  1e308,
  '',
  ' ',
  '0',
  '\0',
  '\u202e\ud83d\ude00',
  '\ud800',
  '../../etc/passwd',
  '%s%n${7*7}{{7*7}}',
  'constructor',
  'x'.repeat(300),
  [],
  [[]],
  {},
  { toString: 1 },
  { length: -1 },
];
const ODD_NAMES = ['__proto__', 'constructor', 'prototype', 'toString', '', 'id', 'x'.repeat(200), '\u0000', '0'];

/** A JSON value with one to three changes somewhere in it. */
export function mutateJson(value: unknown, random: FuzzRandom): unknown {
  let changed = structuredClone(value);
  for (let times = random.between(1, 3); times > 0; times--) changed = changeOnce(changed, random);
  return changed;
}

function changeOnce(value: unknown, random: FuzzRandom): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.1))
    return structuredClone(random.pick(ODD_VALUES));
  const container = value as Record<string, unknown>;
  const keys = Object.keys(container);
  const key = keys.length === 0 ? '' : random.pick(keys);
  switch (random.between(0, 4)) {
    case 0:
      delete container[key];
      break;
    case 1:
      Object.defineProperty(container, random.pick(ODD_NAMES), {
        value: structuredClone(random.pick(ODD_VALUES)),
        ...{ enumerable: true, configurable: true, writable: true },
      });
      break;
    default:
      if (keys.length > 0) container[key] = changeOnce(container[key], random);
  }
  return container;
}

/** What stands on the wire for a JSON value: whole, or broken in the ways of texts. */
export function jsonText(value: unknown, random: FuzzRandom): Buffer {
  const text = JSON.stringify(value) ?? '';
  switch (random.between(0, 15)) {
    case 0:
      return Buffer.from(text.slice(0, random.between(0, text.length)));
    case 1:
      return Buffer.from(text, 'utf16le');
    case 2:
      return Buffer.from(`\ufeff${text}`);
    case 3:
      return mutateBytes(Buffer.from(text), random);
    case 4:
      return Buffer.from(`${'{"a":'.repeat(random.pick([10, 64, 65, 5000]))}${text}`);
    case 5:
      return Buffer.from(`${'['.repeat(random.pick([64, 65, 4000, 20_000]))}`);
    case 6:
      return Buffer.from(text.replace(/^\{/, '{"__proto__":{"polluted":true},'));
    case 7:
      return Buffer.from(text.replace(/"([^"]*)":/, '"$1":1e999,"$1":NaN,"$1":'));
    case 8:
      return Buffer.concat([Buffer.from(text), random.bytes(random.between(1, 20))]);
    case 9:
      return Buffer.from(`{"${random.word()}":"${'x'.repeat(random.pick([100, 40_000, 200_000]))}"}`);
    default:
      return Buffer.from(text);
  }
}

/** Bytes with some of them flipped, cut out, doubled, or overwritten by numbers at the edges of their range. */
export function mutateBytes(bytes: Buffer, random: FuzzRandom): Buffer {
  let changed = Buffer.from(bytes);
  for (let times = random.between(1, 4); times > 0; times--) {
    const at = random.between(0, Math.max(0, changed.length - 1));
    const length = random.between(1, Math.max(1, Math.min(64, changed.length - at)));
    switch (random.between(0, 5)) {
      case 0:
        if (changed.length > 0) changed[at] = changed[at]! ^ (1 << random.between(0, 7));
        break;
      case 1:
        changed = Buffer.concat([changed.subarray(0, at), changed.subarray(at + length)]);
        break;
      case 2:
        changed = Buffer.concat([changed.subarray(0, at + length), changed.subarray(at)]);
        break;
      case 3:
        changed = Buffer.concat([changed.subarray(0, at), random.bytes(length), changed.subarray(at)]);
        break;
      case 4:
        if (changed.length >= at + 4)
          changed.writeUInt32BE(random.pick([0, 1, 0x7fffffff, 0x80000000, 0xffffffff]), at);
        break;
      default:
        changed = changed.subarray(0, at);
    }
  }
  return changed;
}

/** A text with whole lines doubled, left out, exchanged, or changed inside. */
export function mutateLines(text: string, random: FuzzRandom, change: (line: string) => string): string {
  const lines = text.split('\r\n');
  for (let times = random.between(1, 5); times > 0; times--) {
    const at = random.between(0, lines.length - 1);
    const other = random.between(0, lines.length - 1);
    switch (random.between(0, 5)) {
      case 0:
        lines.splice(at, 1);
        break;
      case 1:
        lines.splice(at, 0, lines[other] ?? '');
        break;
      case 2:
        [lines[at], lines[other]] = [lines[other] ?? '', lines[at] ?? ''];
        break;
      default:
        lines[at] = change(lines[at] ?? '');
    }
  }
  return lines.join(random.chance(0.05) ? '\n' : '\r\n');
}
