import { setImmediate as nextTurn } from 'node:timers/promises';
import { FFmpegError } from 'node-av/lib';
import { DhError } from '../errors.js';
import { MOST_PIECE_SAMPLES, type MediaFunctions, type OpenOptions, type Piece, type Reply } from './media-protocol.js';
import { samplesOf, SoundFile, type SoundInfo } from './sound-file.js';
import { ownRssBytes } from '../own-memory.js';

/**
 * How far a stated length may be above the limit before the file is refused at once: in these formats it is an
 * estimate from the first frames. What is really too long is found while decoding.
 */
const ESTIMATE_SLACK: Readonly<Record<string, number>> = { mp3: 2, aac: Number.POSITIVE_INFINITY, amr: 2 };

interface Job {
  file: SoundFile;
  maxDurationS: number;
  pieceSamples: number;
  /** Samples that may still come out. */
  leftSamples: number;
  delivered: boolean;
}

/** The jobs of the media process: open files, each decoded only as far as it was asked for. */
export class MediaJobs implements MediaFunctions {
  readonly #jobs = new Map<number, Job>();
  readonly #piece = new Int16Array(MOST_PIECE_SAMPLES);

  open(id: number, path: string, options: OpenOptions): Promise<Reply<SoundInfo>> {
    return reply(async () => {
      const file = await SoundFile.open(path);
      const { maxDurationS } = options;
      const { pieceSamples, skipSamples } = options;
      const leftSamples = samplesOf(maxDurationS);
      const job: Job = { file, maxDurationS, pieceSamples, leftSamples, delivered: skipSamples > 0 };
      try {
        const { durationS, container } = file.info;
        if ((durationS ?? 0) > maxDurationS * (ESTIMATE_SLACK[container] ?? 1)) throw tooLong(maxDurationS, durationS);
        for (let skip = skipSamples; skip > 0;) {
          const count = file.read(this.#piece.subarray(0, Math.min(skip, pieceSamples)));
          if (count === 0) break;
          skip -= count;
          job.leftSamples -= count;
          // What the decoder's frames held is given back only between turns of the event loop.
          await nextTurn();
        }
      } catch (error) {
        file.close();
        throw error;
      }
      this.#jobs.set(id, job);
      return file.info;
    });
  }

  read(id: number): Promise<Reply<Piece>> {
    return reply(async () => {
      const job = this.#jobs.get(id);
      if (job === undefined) throw new DhError('internal', `the media process has no job ${id}`);
      const count = job.file.read(this.#piece.subarray(0, job.pieceSamples));
      if (count > job.leftSamples) {
        if (job.leftSamples === 0) throw tooLong(job.maxDurationS, null);
        return this.#give(job, job.leftSamples, false);
      }
      if (count === 0 && !job.delivered) throw nothingInside(job.file);
      return this.#give(job, count, count < job.pieceSamples);
    });
  }

  close(id: number): Promise<Reply<null>> {
    return reply(async () => {
      const job = this.#jobs.get(id);
      this.#jobs.delete(id);
      job?.file.close();
      return null;
    });
  }

  #give(job: Job, count: number, last: boolean): Piece {
    job.leftSamples -= count;
    job.delivered = true;
    return { samples: this.#piece.subarray(0, count), last, damage: last ? job.file.damage() : null };
  }
}

function tooLong(maxDurationS: number, durationS: number | null): DhError {
  const stated = durationS === null ? '' : ` (${Math.round(durationS)} s)`;
  return new DhError('audio_too_long', `the sound is longer${stated} than the limit of ${maxDurationS} s`, {
    hint: 'Cut it into shorter files.',
  });
}

function nothingInside(file: SoundFile): DhError {
  const message =
    file.damagedPackets > 0 ? `the ${file.info.codec} sound is damaged from its start` : 'the sound track is empty';
  return new DhError('audio_invalid', message);
}

/** Turns what a function does into an answer. */
async function reply<T>(run: () => Promise<T>): Promise<Reply<T>> {
  try {
    const value = await run();
    return { value, rssBytes: ownRssBytes() };
  } catch (error) {
    return { error: explain(error).toJSON(), rssBytes: ownRssBytes() };
  }
}

/** What FFmpeg itself reports here is the file's fault. */
function explain(error: unknown): DhError {
  if (!(error instanceof FFmpegError)) return DhError.from(error);
  return new DhError('audio_invalid', `the sound cannot be decoded: ${error.message}`, { cause: error });
}
