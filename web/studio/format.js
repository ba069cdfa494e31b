/** Numbers as people read them. */

/** Bytes as "812 kB", "1.4 GB" (decimal units). */
export function bytesText(bytes) {
  if (!Number.isFinite(bytes)) return '–';
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = -1;
  do {
    value /= 1000;
    unit += 1;
  } while (value >= 999.5 && unit < units.length - 1);
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Milliseconds as "840 ms", "12.3 s", "3:07". */
export function durationText(ms) {
  if (!Number.isFinite(ms)) return '–';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const tail = String(seconds % 60).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}:${tail}`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${tail}`;
}

/** A number with at most `digits` decimals, or a dash. */
export function numberText(value, digits = 1) {
  return Number.isFinite(value) ? String(Number(value.toFixed(digits))) : '–';
}

const endonyms = new Map();

/** The name of a language in itself, "de" → "Deutsch"; an empty string when unknown. */
export function endonym(tag) {
  if (!endonyms.has(tag)) {
    let name = '';
    try {
      name = new Intl.DisplayNames([tag], { type: 'language', fallback: 'none' }).of(tag) ?? '';
    } catch {
      // Not a language tag: it has no name.
    }
    endonyms.set(tag, name);
  }
  return endonyms.get(tag);
}

/** The name of a language in the page's language, "de-AT" → "German (Austria)"; the tag itself when unknown. */
export function languageName(tag) {
  try {
    return new Intl.DisplayNames(['en'], { type: 'language' }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}
