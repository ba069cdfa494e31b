import { open, type FileHandle } from 'node:fs/promises';

/** What a font file says of itself. */
export interface FontFile {
  /** As Pango wants it: family, comma, style. */
  name: string;
  /** Whether it draws a letter (a Unicode code point). */
  has: (codePoint: number) => boolean;
}

/** Largest table that is read; the letters of the largest CJK fonts take about 500 KB. */
const MAX_TABLE_BYTES = 8e6;

/**
 * Reads names and letters of a TrueType or OpenType font (of a collection: its first font) and leaves the drawings
 * where they are. Throws when the file is not such a font.
 */
export async function readFontFile(path: string): Promise<FontFile> {
  const file = await open(path, 'r');
  try {
    const tables = await readTables(file);
    const names = readNames(await readTable(file, tables.get('name')));
    const family = names.get(16) ?? names.get(1);
    if (family === undefined) throw new Error('it has no name');
    const style = names.get(17) ?? names.get(2) ?? 'Regular';
    const ranges = readLetters(await readTable(file, tables.get('cmap')));
    return { name: `${family}, ${style}`, has: (codePoint) => isIn(ranges, codePoint) };
  } finally {
    await file.close();
  }
}

interface Table {
  offset: number;
  length: number;
}

async function readTables(file: FileHandle): Promise<Map<string, Table>> {
  let head = await readAt(file, 0, 16);
  let start = 0;
  if (head.toString('latin1', 0, 4) === 'ttcf') {
    start = head.readUInt32BE(12);
    head = await readAt(file, start, 12);
  }
  const kind = head.toString('latin1', 0, 4);
  if (kind !== 'OTTO' && kind !== 'true' && head.readUInt32BE(0) !== 0x10000) throw new Error('it is not a font');
  const count = head.readUInt16BE(4);
  const records = await readAt(file, start + 12, 16 * count);
  const tables = new Map<string, Table>();
  for (let i = 0; i < count; i++) {
    const at = 16 * i;
    const table = { offset: records.readUInt32BE(at + 8), length: records.readUInt32BE(at + 12) };
    tables.set(records.toString('latin1', at, at + 4), table);
  }
  return tables;
}

async function readTable(file: FileHandle, table: Table | undefined): Promise<Buffer> {
  if (table === undefined) throw new Error('it lacks a table');
  return readAt(file, table.offset, table.length);
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  if (length > MAX_TABLE_BYTES) throw new Error('a table is too large');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
  if (bytesRead < length) throw new Error('it ends too soon');
  return buffer;
}

/** Names by number (OpenType, 'name'): English ones for Windows, else for Macintosh. */
function readNames(table: Buffer): Map<number, string> {
  const names = new Map<number, string>();
  const count = table.readUInt16BE(2);
  const strings = table.readUInt16BE(4);
  for (let i = 0; i < count; i++) {
    const at = 6 + 12 * i;
    const platform = table.readUInt16BE(at);
    const language = table.readUInt16BE(at + 4);
    const id = table.readUInt16BE(at + 6);
    const from = strings + table.readUInt16BE(at + 10);
    const bytes = table.subarray(from, from + table.readUInt16BE(at + 8));
    if (platform === 3 && language === 0x409) names.set(id, Buffer.from(bytes).swap16().toString('utf16le'));
    else if (platform === 1 && language === 0 && !names.has(id)) names.set(id, bytes.toString('latin1'));
  }
  return names;
}

/** Ranges of letters that have a drawing, [first, last], in order (OpenType, 'cmap', formats 4 and 12). */
function readLetters(table: Buffer): [number, number][] {
  const count = table.readUInt16BE(2);
  let best: { format: number; at: number } | null = null;
  for (let i = 0; i < count; i++) {
    const platform = table.readUInt16BE(4 + 8 * i);
    const encoding = table.readUInt16BE(6 + 8 * i);
    const unicode = platform === 0 ? encoding !== 5 : platform === 3 && (encoding === 1 || encoding === 10);
    const at = table.readUInt32BE(8 + 8 * i);
    const format = table.readUInt16BE(at);
    if (unicode && (format === 4 || format === 12) && format > (best?.format ?? 0)) best = { format, at };
  }
  if (best === null) throw new Error('it does not say which letters it has');
  const ranges = best.format === 12 ? readSegments(table, best.at) : readShortSegments(table, best.at);
  return ranges.sort(([a], [b]) => a - b);
}

function readSegments(table: Buffer, at: number): [number, number][] {
  const ranges: [number, number][] = [];
  const count = table.readUInt32BE(at + 12);
  for (let i = 0; i < count; i++) {
    const group = at + 16 + 12 * i;
    const first = table.readUInt32BE(group) + (table.readUInt32BE(group + 8) === 0 ? 1 : 0);
    ranges.push([first, table.readUInt32BE(group + 4)]);
  }
  return ranges;
}

function readShortSegments(table: Buffer, at: number): [number, number][] {
  const ranges: [number, number][] = [];
  const twice = table.readUInt16BE(at + 6);
  for (let i = 0; i < twice; i += 2) {
    const last = table.readUInt16BE(at + 14 + i);
    const first = table.readUInt16BE(at + 16 + twice + i);
    const delta = table.readUInt16BE(at + 16 + 2 * twice + i);
    const offsetAt = at + 16 + 3 * twice + i;
    const offset = table.readUInt16BE(offsetAt);
    for (let letter = first; letter <= last && letter < 0xffff; letter++) {
      const glyphAt = offsetAt + offset + 2 * (letter - first);
      const glyph = offset === 0 ? letter + delta : glyphAt + 2 <= table.length ? table.readUInt16BE(glyphAt) : 0;
      if ((glyph & 0xffff) === 0) continue;
      const range = ranges.at(-1);
      if (range?.[1] === letter - 1) range[1] = letter;
      else ranges.push([letter, letter]);
    }
  }
  return ranges;
}

function isIn(ranges: readonly [number, number][], value: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const [first, last] = ranges[middle]!;
    if (value < first) high = middle;
    else if (value > last) low = middle + 1;
    else return true;
  }
  return false;
}
