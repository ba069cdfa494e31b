import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { z } from 'zod';
import { DhError } from '../errors.js';
import { parseCsv } from './csv.js';
import { parseDuration } from '../durations.js';
import { safeParse } from '../config/safe-parse.js';

/** Where the sound of a clip comes from. */
export type ClipSource =
  { kind: 'file'; path: string } | { kind: 'text'; text: string; voice: string | null; language: string | null };

/** One clip as it was asked for. */
export interface ListedClip {
  /** What it is called in messages and in the index. */
  name: string;
  source: ClipSource;
  title: string | null;
  /** What is said in it, for subtitles. */
  text: string | null;
  /** Its own picture. */
  image: string | null;
  /** Silence after it, in ms; null: as for all. */
  gapMs: number | null;
}

const SOUND_FILES = new Set(
  'wav wave w64 aif aiff aifc au caf mp3 aac flac ogg oga opus m4a mp4 m4v mov mkv mka webm amr'.split(' '),
);
const PICTURES = ['png', 'jpg', 'jpeg', 'webp'];

const Row = z.strictObject({
  file: z.string().optional(),
  text: z.string().optional(),
  title: z.string().optional(),
  image: z.string().optional(),
  voice: z.string().optional(),
  language: z.string().optional(),
  gap: z.union([z.string(), z.number()]).optional(),
});
type Row = z.infer<typeof Row>;
const COLUMNS = Object.keys(Row.shape);

/** File names as people count: `2` before `10`, whatever the case. */
export function naturalOrder(): (a: string, b: string) => number {
  const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
  return (a, b) => collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

/**
 * Reads what is to be rendered: a folder of sound files (in natural order; `name.png` and `name.txt` beside `name.wav`
 * are its picture and its text), a `.csv` or `.json` list, or a `.txt` with one spoken line a line. Paths in a list are
 * relative to it. The files themselves are not looked at.
 * @throws DhError `not_found`, `bad_request` that names line and field.
 */
export async function readClipList(input: string): Promise<ListedClip[]> {
  const path = resolve(input);
  const stats = await stat(path).catch((cause: unknown) => {
    throw new DhError('not_found', `${input} does not exist.`, {
      hint: 'Give a folder of sound files, a list (.csv, .json) or a text (.txt).',
      cause,
    });
  });
  const clips = stats.isDirectory() ? await readFolder(path) : await readList(path, input);
  if (clips.length > 0) return clips;
  throw new DhError('bad_request', `There is nothing to render in ${input}.`, {
    hint: stats.isDirectory() ? `Sound files end in ${[...SOUND_FILES].join(', ')}.` : 'The list is empty.',
  });
}

async function readFolder(folder: string): Promise<ListedClip[]> {
  const names = new Set(await readdir(folder));
  const sounds = [...names].filter((name) => !name.startsWith('.') && SOUND_FILES.has(extension(name)));
  const clips: ListedClip[] = [];
  for (const name of sounds.sort(naturalOrder())) {
    const stem = name.slice(0, name.length - extname(name).length);
    const picture = PICTURES.map((end) => `${stem}.${end}`).find((each) => names.has(each));
    const text = names.has(`${stem}.txt`) ? (await readFile(join(folder, `${stem}.txt`), 'utf8')).trim() : '';
    clips.push({
      name,
      source: { kind: 'file', path: join(folder, name) },
      title: null,
      text: text || null,
      image: picture === undefined ? null : join(folder, picture),
      gapMs: null,
    });
  }
  return clips;
}

async function readList(path: string, shown: string): Promise<ListedClip[]> {
  const text = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '');
  switch (extension(path)) {
    case 'txt':
      return text
        .split(/\r\n|[\r\n]/)
        .flatMap((line, i) => (line.trim() ? [fromText(line.trim(), `line ${i + 1}`)] : []));
    case 'csv':
      return fromCsv(text, dirname(path), shown);
    case 'json':
      return fromJson(text, dirname(path), shown);
    default:
      throw new DhError('bad_request', `${shown} is not a list that is known.`, {
        hint: 'Give a folder of sound files, a list (.csv, .json) or a text (.txt).',
      });
  }
}

function fromText(text: string, name: string): ListedClip {
  const source: ClipSource = { kind: 'text', text, voice: null, language: null };
  return { name, source, title: null, text, image: null, gapMs: null };
}

function fromCsv(text: string, folder: string, shown: string): ListedClip[] {
  const [head, ...rows] = parseCsv(text);
  const names = head?.map((cell) => cell.trim().toLowerCase()) ?? [];
  if (!names.includes('file') && !names.includes('text')) {
    throw new DhError('bad_request', `${shown}: the first line must name the columns.`, {
      hint: `One of file or text, and any of ${COLUMNS.join(', ')}.`,
    });
  }
  return rows.map((cells, i) => {
    const row: Record<string, string> = {};
    for (const [column, name] of names.entries()) if (cells[column]) row[name] = cells[column];
    return fromRow(row, folder, `${shown}, row ${i + 2}`);
  });
}

function fromJson(text: string, folder: string, shown: string): ListedClip[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw new DhError('bad_request', `${shown} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!Array.isArray(list)) {
    throw new DhError('bad_request', `${shown} must be a list: ["one.wav", {"file": "two.wav", "title": "Two"}].`);
  }
  return list.map((each: unknown, i) =>
    fromRow(typeof each === 'string' ? { file: each } : each, folder, `${shown}, entry ${i + 1}`),
  );
}

/** One row of a list; paths are taken from `folder`. Throws `bad_request` that begins with `where`. */
export function fromRow(value: unknown, folder: string, where: string): ListedClip {
  const parsed = safeParse(Row, value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DhError('bad_request', `${where}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`, {
      hint: `The fields are ${COLUMNS.join(', ')}.`,
    });
  }
  const { file, text, title, image, voice, language, gap } = parsed.data;
  if (!file && !text) throw new DhError('bad_request', `${where}: there is neither a file nor a text.`);
  let gapMs: number | null = null;
  if (gap !== undefined && gap !== '') {
    gapMs = typeof gap === 'number' ? gap : parseDuration(gap, 'ms');
    if (gapMs === null || !(gapMs >= 0)) {
      throw new DhError('bad_request', `${where}: "${gap}" is not a gap.`, { hint: 'As in 200ms or 1.5s.' });
    }
  }
  const source: ClipSource = file
    ? { kind: 'file', path: resolve(folder, file) }
    : { kind: 'text', text: text ?? '', voice: voice ?? null, language: language ?? null };
  return {
    // Without the folder of the list: the name is in the index, which travels.
    name: file ? basename(file) : (title ?? basename(where)),
    source,
    title: title ?? null,
    text: text ?? null,
    image: image ? resolve(folder, image) : null,
    gapMs,
  };
}

function extension(name: string): string {
  return extname(name).slice(1).toLowerCase();
}
