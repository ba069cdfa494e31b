import { PcmDoor } from '../audio/door.js';
import { DhError } from '../errors.js';
import type { MediaClient } from '../media/media-client.js';
import { MOST_PIECE_SAMPLES } from '../media/media-protocol.js';
import type { SpeechService } from '../speech/speech-service.js';
import type { Closable, VisemeCue } from '../units.js';
import type { ClipSource } from './clip-list.js';
import { PreparedClips, type PreparedClip } from './prepared-clips.js';

/** Longest clip: two days. */
const MAX_CLIP_S = 48 * 3600;

/** One clip to prepare, as plain data: another machine may do it. */
export interface PrepareTask {
  /** Its name among the prepared clips, made from its content. */
  key: string;
  source: ClipSource;
}

/** Turns clips into prepared sound. Any number of calls may be open at a time; the caller bounds it. */
export interface ClipPreparer extends Closable {
  /**
   * Decodes or speaks a clip into a folder (see `PreparedClips`).
   * @throws DhError: of the clip itself `not_found`, `audio_…`, `speech_failed`; `disk_full`, `write_failed`,
   * `media_unavailable`; the reason of the signal.
   */
  prepare(task: PrepareTask, folder: string, signal: AbortSignal): Promise<PreparedClip>;
  /** Calls that are worth having open at a time, whatever `--jobs` says: others do the work. */
  readonly abreast?: number;
  /** Memory of processes of its own. */
  rssBytes(): number;
}

/** Prepares clips in this process and its media process. */
export class LocalPreparer implements ClipPreparer {
  readonly #media: () => MediaClient;
  readonly #speech: () => SpeechService;
  #decoder: MediaClient | null = null;

  /** Both are asked for when the first clip needs them, and stay the caller's. */
  constructor(media: () => MediaClient, speech: () => SpeechService) {
    this.#media = media;
    this.#speech = speech;
  }

  async prepare({ key, source }: PrepareTask, folder: string, signal: AbortSignal): Promise<PreparedClip> {
    const clip = await new PreparedClips(folder).write(key, async (writer) => {
      if (source.kind === 'text') return this.#speak(source, (samples) => writer.write(samples), signal);
      this.#decoder = this.#media();
      const onDamage = (what: string): void => void (writer.damage = what);
      const options = { maxDurationS: MAX_CLIP_S, pieceSamples: MOST_PIECE_SAMPLES, signal, onDamage };
      for await (const piece of this.#decoder.decode(source.path, options)) await writer.write(piece);
      if (writer.lengthSamples === 0) throw new DhError('audio_invalid', 'the file holds no sound');
      return null;
    });
    return clip;
  }

  rssBytes(): number {
    return this.#decoder?.stats().rssBytes ?? 0;
  }

  close(): void {
    this.#decoder = null;
  }

  async #speak(
    { text, voice, language }: Extract<ClipSource, { kind: 'text' }>,
    write: (samples: Int16Array) => Promise<void>,
    signal: AbortSignal,
  ): Promise<VisemeCue[]> {
    const speech = this.#speech();
    const cues: VisemeCue[] = [];
    const plan = speech.plan({ text, voice: voice ?? undefined, language: language ?? undefined });
    let door = null as PcmDoor | null;
    let ready: Int16Array[] = [];
    const keep = (samples: Int16Array, lengthSamples: number): void => {
      ready.push(samples.slice(0, lengthSamples));
    };
    const pass = async (): Promise<void> => {
      for (const samples of ready) await write(samples);
      ready = [];
    };
    try {
      for await (const piece of speech.speak(plan, signal)) {
        if (piece.cues) cues.push(...piece.cues);
        if (door?.rateHz !== piece.sampleRateHz) {
          door?.flush(keep);
          door?.close();
          door = new PcmDoor(piece.sampleRateHz);
        }
        door.write(piece.pcm, keep);
        await pass();
      }
      // An abort just ends the speech.
      signal.throwIfAborted();
      door?.flush(keep);
      await pass();
    } finally {
      door?.close();
    }
    return cues;
  }
}
