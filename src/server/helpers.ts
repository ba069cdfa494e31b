import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Logger } from 'pino';
import { BakeService, type Drawing } from '../avatar/bake-service.js';
import type { Config } from '../config/schema.js';
import { DhError } from '../errors.js';
import { onCleanup } from '../guard/cleanups.js';
import type { PictureSize } from '../guard/memory-account.js';
import { memoryScope } from '../guard/memory-scope.js';
import { MediaClient } from '../media/media-client.js';
import { UploadStore } from '../media/upload-store.js';
import type { WorkFigures } from '../tasks/work-figures.js';
import type { WorkerPools } from '../tasks/worker-pools.js';
import { SAMPLE_RATE, type Clock, type Closable, type SpeechPiece } from '../units.js';
import type { ServerLoans } from './server-loans.js';

export interface HelpersParts {
  config: () => Config;
  cacheDir: string;
  avatarsDirs: readonly string[];
  /** Folder for uploads. */
  temp: string;
  loans: ServerLoans;
  pools: WorkerPools;
  log: Logger;
  clock: Clock;
}

/** An upload that is complete. */
export interface ReceivedSound {
  /** Produces its sound, and removes the file at the end. */
  open(signal: AbortSignal): AsyncIterable<SpeechPiece>;
  /** What is wrong with sound that can be played all the same, as far as that is known by now. */
  damage(): string | null;
}

/** Who waits for an avatar, see `draw`. */
export interface DrawingWish {
  /** Id of the session that is opened when it is drawn; null: the session goes on meanwhile. */
  before: string | null;
  /** It waits for memory as long as that takes. */
  patient: boolean;
}

/** A drawing that waits for memory says so at once, and then after so many waits of some seconds. */
const TELL_EVERY = 12;
/** How often a drawing is begun whose memory was wanted back or was too little, or whose process died. */
const MOST_ATTEMPTS = 3;

/** The processes that come and go: they draw avatars and decode uploads, with memory that they borrow. */
export class Helpers implements Closable {
  readonly #parts: HelpersParts;
  readonly #bakes: BakeService;
  readonly #media: MediaClient;
  readonly #uploads: UploadStore;
  readonly #drawing: WorkFigures;
  readonly #decoding: WorkFigures;

  constructor(parts: HelpersParts) {
    const { config, cacheDir, avatarsDirs, temp, loans, pools } = parts;
    this.#parts = parts;
    const spareDir = join(temp, 'avatars');
    this.#bakes = new BakeService({
      cacheDir,
      spareDir,
      avatarsDirs,
      borrow: (size, before) => loans.bake(size, before),
    });
    this.#media = new MediaClient({ borrow: (signal) => loans.media(signal) });
    onCleanup(() => this.endIdle(), { atHardLevel: true });
    this.#uploads = new UploadStore({ dir: temp, maxBytes: () => config().limits.maxUploadMb * 1e6 });
    this.#drawing = pools.processWork('pictures', () => ({ processes: this.#bakes.pids.length, waiting: 0 }));
    this.#decoding = pools.processWork('decode', () => {
      const { pid, waiting } = this.#media.stats();
      return { processes: pid === null ? 0 : 1, waiting };
    });
  }

  /**
   * Draws an avatar, or finds it in the cache. `loaded` is settled when there is memory for that and the avatar was found
   * to be valid, at once for one that is patient.
   */
  draw(avatar: string, size: PictureSize, { before, patient }: DrawingWish): Omit<Drawing, 'begun'> {
    const { log, clock } = this.#parts;
    const beginAt = clock();
    let told = beginAt;
    const onProgress = (done: number, total: number): void => {
      if (clock() - told < 1000) return;
      told = clock();
      log.info({ avatar, done, total }, 'drawing the avatar (only once)');
    };
    const begin = (): Drawing => this.#bakes.draw(avatar, size, { onProgress, ...(before === null ? {} : { before }) });
    const first = begin();
    let onLoaded: () => void = () => undefined;
    const path = memoryScope('prepare avatar', () =>
      this.#drawing.track(async () => {
        if (!patient) await first.begun;
        // A session that waits for its avatar has nothing else; one that has a picture keeps it.
        const drawn = await (patient || before !== null ? this.#wait(first, begin, () => onLoaded()) : first.path);
        log.debug({ avatar, ...size, ms: Math.round(clock() - beginAt) }, 'avatar ready');
        return drawn;
      }),
    );
    const loaded = new Promise<void>((resolve, reject) => {
      onLoaded = resolve;
      if (patient) resolve();
      path.then(() => resolve(), reject);
    });
    for (const step of [loaded, path]) step.catch(() => undefined); // whoever waits for it hears of it
    return { loaded, path };
  }

  /** Takes in a file; throws `body_too_large`. */
  async receive(body: Readable): Promise<ReceivedSound> {
    const upload = await memoryScope('receive upload', () => this.#uploads.receive(body));
    let damage: string | null = null;
    const onDamage = (what: string): void => void (damage = what);
    return { open: (signal) => this.#decode(upload, signal, onDamage), damage: () => damage };
  }

  /** Ends a process that waits for the next file: it is the first that can go. */
  endIdle(): void {
    this.#media.endIdle();
  }

  pids(): { name: string; pids: number[] }[] {
    const { pid } = this.#media;
    return [
      { name: 'media', pids: pid === null ? [] : [pid] },
      { name: 'bake', pids: this.#bakes.pids },
    ];
  }

  failures(): { media: number; bake: number } {
    return { media: this.#media.stats().failures, bake: this.#bakes.failures };
  }

  async close(): Promise<void> {
    await Promise.all([this.#uploads.close(), this.#media.close(), this.#bakes.close()]);
  }

  /** A session waits that has no picture without it: tries again until there is memory, and when its process died. */
  async #wait(first: Drawing, begin: () => Drawing, onLoaded: () => void): Promise<string> {
    let drawing = first;
    for (let times = 0, begun = 0; ; times++) {
      try {
        await drawing.begun;
        begun += 1;
        drawing.loaded.then(onLoaded, () => undefined);
        return await drawing.path;
      } catch (error) {
        const { code, message, hint } = DhError.from(error);
        const died = code === 'task_crashed';
        if ((code !== 'memory_pressure' && !died) || begun >= MOST_ATTEMPTS) throw error;
        if (died) this.#parts.log.warn({ reason: message }, 'drawing the avatar is begun again');
        else if (times % TELL_EVERY === 0) {
          this.#parts.log.warn({ reason: message, hint }, 'the avatar waits for memory');
        }
        drawing = begin();
      }
    }
  }

  async *#decode(
    upload: { path: string; remove(): Promise<void> },
    signal: AbortSignal,
    onDamage: (what: string) => void,
  ): AsyncGenerator<SpeechPiece, void, undefined> {
    const { maxUploadDurationS: maxDurationS } = this.#parts.config().limits;
    let samples = 0;
    try {
      const source = this.#media.decode(upload.path, { maxDurationS, signal, onDamage });
      for await (const pcm of this.#decoding.trackEach(source, signal)) {
        samples += pcm.length;
        yield { pcm, sampleRateHz: SAMPLE_RATE, cues: null };
      }
      if (samples === 0) throw new DhError('audio_invalid', 'The file holds no sound.');
    } finally {
      await upload.remove();
    }
  }
}
