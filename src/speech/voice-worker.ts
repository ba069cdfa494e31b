import { move } from 'piscina';
import type { SpeechPiece } from '../units.js';
import type { EmbeddedEngine } from './embedded-voices.js';
import { EspeakEngine } from './espeak-engine.js';
import { FliteEngine } from './flite-engine.js';
import { shapeSpeech } from './shape.js';
import type { LoudnessState, Synthesiser } from './voice.js';

/** A job of the worker thread. Without a text it only loads the engine. */
export interface VoiceJob {
  engine: EmbeddedEngine;
  /** Name of the voice inside the engine. */
  voice: string;
  text: string;
  pauseMs: number;
  loudness: LoudnessState;
  /** The same text must sound the same every time; what the thread's first job says holds. */
  repeatable: boolean;
}

export interface VoiceJobResult {
  piece: SpeechPiece;
  loudness: LoudnessState;
}

/** Compiled once a thread; only one job runs at a time. */
const engines = new Map<EmbeddedEngine, Synthesiser>();

/** Entry of the worker thread: one part of speech, from text to finished sound and cues. */
export default async function speak(job: VoiceJob): Promise<VoiceJobResult> {
  let engine = engines.get(job.engine);
  if (engine === undefined) {
    engine = job.engine === 'flite' ? await FliteEngine.load() : await EspeakEngine.load(job);
    engines.set(job.engine, engine);
  }
  try {
    const piece = shapeSpeech(engine.synthesise(job.voice, job.text), job.pauseMs, job.loudness);
    // The sound changes hands instead of being copied.
    move(piece.pcm);
    return { piece, loudness: job.loudness };
  } catch (error) {
    engines.delete(job.engine);
    throw error;
  }
}
