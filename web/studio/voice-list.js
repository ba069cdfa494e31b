import { endonym, languageName } from './format.js';

/**
 * Voices grouped by their first language, groups and voices in alphabetical order; a search word must be in the
 * voice's id, name, engine, gender or one of its languages (tag, name, or what it calls itself).
 * @param {{id: string, name?: string, engine?: string, languages?: string[], gender?: string}[]} voices
 * @param {string} [search]
 * @returns {{tag: string, name: string, voices: object[]}[]}
 */
export function groupVoices(voices, search = '') {
  const words = fold(search).split(/\s+/).filter(Boolean);
  const groups = new Map();
  for (const voice of voices) {
    const languages = voice.languages?.length ? voice.languages : ['und'];
    const text = fold(
      [
        voice.id,
        voice.name,
        voice.engine,
        voice.gender,
        ...languages,
        ...languages.map(languageName),
        ...languages.map(endonym),
      ].join(' '),
    );
    if (!words.every((word) => text.includes(word))) continue;
    const tag = languages[0].split('-')[0];
    if (!groups.has(tag)) groups.set(tag, { tag, name: tag === 'und' ? 'Other' : languageName(tag), voices: [] });
    groups.get(tag).voices.push(voice);
  }
  const byName = (a, b) => (a.name ?? a.id).localeCompare(b.name ?? b.id);
  for (const group of groups.values()) {
    group.voices.sort(byName);
    // Of a rare language the browser knows only the code; the voice is named after it.
    if (group.name === group.tag) group.name = group.voices[0].name ?? group.tag;
  }
  return [...groups.values()].sort(byName);
}

/** All languages of the voices, once each, by name. */
export function languagesOf(voices) {
  const tags = new Set(voices.flatMap((voice) => voice.languages ?? []));
  return [...tags].map((tag) => ({ tag, name: languageName(tag) })).sort((a, b) => a.name.localeCompare(b.name));
}

// Accents must not hide a language: "espanol" finds "Español".
function fold(text) {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}
