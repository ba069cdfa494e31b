import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DhError } from '../errors.js';
import { readFontFile, type FontFile } from './font-file.js';

/** The font that comes along: Latin, Cyrillic, Greek, Hebrew. */
const OWN_FONT = '@expo-google-fonts/arimo/600SemiBold/Arimo_600SemiBold.ttf';
/** Font files of the system that are looked at, at most. */
const MAX_FONTS = 2000;
const MAX_DEPTH = 5;
const FONT_NAME = /\.(ttf|otf|ttc|otc)$/i;
/** Of fonts with the same letters, the plainest: no narrow, slanted or typewriter letters. */
const UNUSUAL = /italic|oblique|mono|condensed|narrow|light|thin|black|serif|math|emoji/i;
/** What nobody sees: needs no drawing. */
const UNSEEN = /[\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}]/u;

const kept = new Map<string, FontFile>();

/**
 * Finds a font for a text: the one that is asked for, else the one that comes along, else the font of the system
 * that lacks the fewest letters. Ask `missingLetters` whether any are missing. Returns the path of its file.
 * @throws DhError `clips_invalid` when the font that is asked for cannot be read, or when there is none at all
 */
export async function captionFont(
  asked: string | null,
  text = '',
  fonts: () => Promise<string[]> = listFonts,
): Promise<string> {
  if (asked !== null) {
    await readKept(asked);
    return asked;
  }
  let best: { path: string; missing: number } | null = null;
  for (const path of await fonts()) {
    const missing = (await missingLetters(text, path).catch(() => null))?.length;
    if (missing === undefined) continue;
    if (missing < (best?.missing ?? Infinity)) best = { path, missing };
    if (missing === 0) break;
  }
  if (best !== null) return best.path;
  throw new DhError('clips_invalid', 'There is no font to draw subtitles with.', {
    hint: 'Name a font file (TrueType or OpenType) with --font, or use --subtitles srt.',
  });
}

/** The letters of a text that a font cannot draw, each once. Throws DhError `clips_invalid` when it is no font. */
export async function missingLetters(text: string, fontFile: string): Promise<string[]> {
  const { has } = await readKept(fontFile);
  return [...new Set(text)].filter((letter) => !UNSEEN.test(letter) && !has(letter.codePointAt(0) ?? 0));
}

/** The font's name for Pango. Throws as `missingLetters`. */
export async function fontName(fontFile: string): Promise<string> {
  return (await readKept(fontFile)).name;
}

async function readKept(path: string): Promise<FontFile> {
  const known = kept.get(path);
  if (known) return known;
  try {
    const font = await readFontFile(path);
    if (kept.size < 16) kept.set(path, font);
    return font;
  } catch (cause) {
    throw new DhError('clips_invalid', `the font ${path} cannot be used: ${(cause as Error).message}`, {
      hint: 'Use a TrueType or OpenType file (.ttf, .otf, .ttc).',
      cause,
    });
  }
}

/** The font that comes along, when it is installed, then those of the system, plain ones first. */
async function listFonts(): Promise<string[]> {
  const own: string[] = [];
  try {
    own.push(createRequire(import.meta.url).resolve(OWN_FONT));
  } catch {
    // Not installed: the system's fonts have to do.
  }
  const found: string[] = [];
  for (const folder of systemFolders()) await collect(folder, MAX_DEPTH, found);
  const plain = (path: string): number => (UNUSUAL.test(path) ? 1 : 0);
  return [...own, ...found.sort((a, b) => plain(a) - plain(b) || (a < b ? -1 : 1))];
}

function systemFolders(): string[] {
  const home = homedir();
  if (process.platform === 'darwin') return [join(home, 'Library/Fonts'), '/Library/Fonts', '/System/Library/Fonts'];
  if (process.platform === 'win32') return [join(process.env['WINDIR'] ?? 'C:\\Windows', 'Fonts')];
  return [join(home, '.local/share/fonts'), join(home, '.fonts'), '/usr/local/share/fonts', '/usr/share/fonts'];
}

async function collect(folder: string, depth: number, into: string[]): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (into.length >= MAX_FONTS) return;
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth > 0) await collect(path, depth - 1, into);
    else if (FONT_NAME.test(entry.name)) into.push(path);
  }
}
