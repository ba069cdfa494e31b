import type { RenderRequest } from './render-request.js';

/** What knows which avatars and voices there are. */
export interface NameChecks {
  /** Throws `avatar_not_found`. */
  checkAvatar: (name: string) => Promise<void>;
  /** Throws `voice_not_found`, `language_unsupported`. */
  checkVoice: (wanted: { voice?: string | undefined; language?: string | undefined }) => void;
}

/** Refuses at once what a render would find out only later. Throws as the checks. */
export async function checkNames(
  { items, avatar, voice, language }: RenderRequest,
  { checkAvatar, checkVoice }: NameChecks,
): Promise<void> {
  if (avatar !== undefined) await checkAvatar(avatar);
  if (voice !== undefined) checkVoice({ voice });
  const seen = new Set<string>();
  for (const item of items) {
    if (item.text === undefined || item.upload !== undefined || item.file !== undefined) continue;
    const wanted = { voice: item.voice ?? voice, language: item.language ?? language };
    const key = JSON.stringify([wanted.voice, wanted.language]);
    if (seen.has(key)) continue;
    seen.add(key);
    checkVoice(wanted);
  }
}
