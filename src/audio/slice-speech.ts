import type { SpeechPiece, VisemeCue } from '../units.js';

/**
 * Cuts pieces of any length into pieces of at most `sliceMs`, and gives each the mouth shapes that begin in it. So
 * sound can travel, wait and be resumed in small steps. The samples are copied.
 */
export async function* sliceSpeech(
  pieces: AsyncIterable<SpeechPiece>,
  sliceMs: number,
): AsyncGenerator<SpeechPiece, void, undefined> {
  let atMs = 0;
  for await (const { pcm, sampleRateHz, cues } of pieces) {
    const step = Math.max(1, Math.round((sampleRateHz * sliceMs) / 1000));
    let used = 0;
    for (let from = 0; from < pcm.length; from += step) {
      const part = pcm.slice(from, from + step);
      atMs += (part.length / sampleRateHz) * 1000;
      const last = from + step >= pcm.length;
      let mine: VisemeCue[] | null = null;
      if (cues) {
        const begin = used;
        while (used < cues.length && (last || (cues[used]?.startMs ?? 0) < atMs)) used++;
        mine = cues.slice(begin, used);
      }
      yield { pcm: part, sampleRateHz, cues: mine };
    }
  }
}
