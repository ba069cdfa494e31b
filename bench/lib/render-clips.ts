import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { SpeechService } from '../../src/speech/speech-service.js';
import { wav } from '../../test/support/server.js';
import { ANSWERS, STORIES } from './sentences.js';

/** Speech of its own: sentences of 1 to 9 seconds in the embedded voices, as WAV files. Returns their exact seconds. */
export async function makeClips(folder: string, count: number): Promise<number> {
  await mkdir(folder, { recursive: true });
  const speech = new SpeechService({ maxCharacters: 100_000 });
  const made: { pcm: Int16Array; rateHz: number }[] = [];
  const texts = [...ANSWERS, ...STORIES, 'Yes, of course.', 'Good evening.', 'One moment, please.'];
  const voices = speech
    .voices()
    .filter(({ languages }) => languages.some((tag) => tag.startsWith('en')))
    .slice(0, 4);
  // Every sentence in some voices; more clips are these again, each cut a little shorter, so that none are equal.
  for (const { id } of voices) {
    for (const text of texts) {
      const pieces: Int16Array[] = [];
      let rateHz = 0;
      for await (const piece of speech.speak(speech.plan({ text, voice: id }))) {
        pieces.push(piece.pcm);
        rateHz = piece.sampleRateHz;
      }
      const pcm = Int16Array.from(pieces.flatMap((piece) => [...piece]));
      made.push({ pcm: pcm.subarray(0, 9 * rateHz), rateHz });
      if (made.length >= count) break;
    }
  }
  await speech.close();
  let seconds = 0;
  for (let i = 0; i < count; i++) {
    const { pcm, rateHz } = made[i % made.length]!;
    const sound = pcm.subarray(0, pcm.length - 7 * Math.floor(i / made.length));
    seconds += sound.length / rateHz;
    await writeFile(join(folder, `clip ${i + 1}.wav`), wav(sound, rateHz));
  }
  return seconds;
}

/** A background with some detail. */
export async function makeBackground(path: string): Promise<void> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="1280" height="720"><defs><linearGradient id="g" x2="1" y2="1"><stop stop-color="#24506e"/><stop offset="1" stop-color="#d9a066"/></linearGradient></defs><rect width="1280" height="720" fill="url(#g)"/>${Array.from({ length: 60 }, (_, i) => `<circle cx="${(i * 211) % 1280}" cy="${(i * 137) % 720}" r="${10 + ((i * 29) % 60)}" fill="#fff" opacity="0.08"/>`).join('')}</svg>`;
  await sharp(Buffer.from(svg)).png().toFile(path);
}
