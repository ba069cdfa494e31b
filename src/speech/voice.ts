import type { Closable, SpeechPiece } from '../units.js';

/** What a listener can choose. */
export interface VoiceInfo {
  /** Unique among all engines; safe in a URL. */
  id: string;
  name: string;
  engine: string;
  /** BCP-47 tags, the voice's own first; a bare language (`en`) also answers for its regions. */
  languages: string[];
  gender?: 'female' | 'male';
  /** The voice for English when nothing else is said. */
  default?: boolean;
}

/** A stretch of text that one voice says at one go: a sentence, or a clause of a long one. */
export interface SpeechPart {
  text: string;
  voice: string;
  /** BCP-47 tag of this part. */
  language: string;
  /** Which of the plan's sentences it belongs to. */
  sentence: number;
  /** Silence after it, in milliseconds; 0 after the last. */
  pauseMs: number;
}

/**
 * How loud a voice has been so far in an utterance, so that its next part gets the same gain. Opaque to callers: it is
 * handed from part to part.
 */
export interface LoudnessState {
  /** Mean power of what was loud so far, in dB of full scale. */
  levelDb: number;
  /** How many loud windows of 20 ms were counted. */
  windows: number;
}

/** What an engine is asked to say. */
export interface SpeechRequest {
  text: string;
  /** A voice id of this engine. */
  voice: string;
  language: string;
  /** Silence to append, in milliseconds. */
  pauseMs: number;
  /** Somebody waits in silence for it: it comes before what is prepared ahead. */
  urgent?: boolean;
  /** Kept by the caller for one utterance and voice; the engine updates it. */
  loudness: LoudnessState;
}

/**
 * A source of voices: the embedded ones, and later HTTP services and neural models. Pieces carry times from the start of
 * the request; whoever puts requests in a row shifts them.
 */
export interface VoiceEngine extends Closable {
  readonly voices: readonly VoiceInfo[];
  /** Loads what the first request would otherwise wait for. */
  ready(): Promise<void>;
  /**
   * Says the text, piece by piece, no faster than it is read. An aborted signal ends it at once.
   *
   * @throws DhError `speech_failed`
   */
  speak(request: SpeechRequest, signal: AbortSignal): AsyncIterable<SpeechPiece>;
}

/** One phone as a synthesiser reports it. */
export interface Phone {
  /** IPA (espeak-ng) or the radio alphabet (Flite); empty for a pause. */
  symbol: string;
  startMs: number;
  endMs: number;
}

/** What a synthesiser gives back before it is trimmed, levelled and turned into mouth shapes. */
export interface RawSpeech {
  pcm: Int16Array;
  sampleRateHz: number;
  phones: Phone[];
  alphabet: 'ipa' | 'radio';
}

/** A synthesiser inside the worker thread. Not safe to use after it threw: make a new one. */
export interface Synthesiser {
  synthesise(voice: string, text: string): RawSpeech;
}
