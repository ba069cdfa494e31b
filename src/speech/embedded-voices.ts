import { ESPEAK_VOICES } from './espeak-voices.js';
import type { VoiceInfo } from './voice.js';

export type EmbeddedEngine = 'espeak-ng' | 'flite';

const FLITE_VOICES: readonly VoiceInfo[] = [
  { id: 'slt', name: 'SLT', engine: 'flite', languages: ['en-US', 'en'], gender: 'female', default: true },
  { id: 'rms', name: 'RMS', engine: 'flite', languages: ['en-US', 'en'], gender: 'male' },
  { id: 'awb', name: 'AWB (Scottish)', engine: 'flite', languages: ['en-GB', 'en'], gender: 'male' },
  { id: 'kal16', name: 'KAL (robotic)', engine: 'flite', languages: ['en-US', 'en'], gender: 'male' },
];

/** The voices that ship with the package; Flite's come first, and so are preferred for English. */
export const EMBEDDED_VOICES: readonly VoiceInfo[] = [
  ...FLITE_VOICES,
  ...ESPEAK_VOICES.map(([id, , name, languages]) => ({
    id: `espeak-${id}`,
    name,
    engine: 'espeak-ng',
    languages: languages.split(' '),
  })),
];

/** What the synthesiser itself calls a voice, by the id in `EMBEDDED_VOICES`. */
export const NATIVE_NAMES: ReadonlyMap<string, { engine: EmbeddedEngine; name: string }> = new Map<
  string,
  { engine: EmbeddedEngine; name: string }
>([
  ...FLITE_VOICES.map(({ id }) => [id, { engine: 'flite', name: id }] as const),
  ...ESPEAK_VOICES.map(([id, name]) => [`espeak-${id}`, { engine: 'espeak-ng', name }] as const),
]);

/** Whether a voice is one of espeak-ng, which take memory beside the English ones of Flite. */
export function isEspeakVoice(id: string | undefined): boolean {
  return id !== undefined && NATIVE_NAMES.get(id)?.engine === 'espeak-ng';
}
