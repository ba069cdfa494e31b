declare module '@echogarden/espeak-ng-emscripten' {
  export interface EspeakEvent {
    type: 'word' | 'sentence' | 'mark' | 'play' | 'end' | 'msg_terminated' | 'phoneme' | 'samplerate';
    /** Milliseconds from the start of the call. */
    audio_position: number;
    text_position: number;
    word_length: number;
    /** Phoneme in IPA (up to 8 bytes of UTF-8, cut off), or the number of a word or sentence. */
    id?: string | number;
  }

  export interface EspeakWorker {
    /** 0 when the voice is known. */
    set_voice(name: string): number;
    rate: number;
    readonly samplerate: number;
    list_voices(): { name: string; identifier: string; languages: { priority: number; name: string }[] }[];
    /** Calls back synchronously with about 100 ms of sound at a time; `true` stops it. */
    synthesize(text: string, callback: (audio: Int16Array, events: EspeakEvent[]) => boolean): void;
  }

  /** `HEAPU8` is all memory of the engine; another view when it has grown. */
  export default function load(): Promise<{ eSpeakNGWorker: new () => EspeakWorker; readonly HEAPU8: Uint8Array }>;
}
