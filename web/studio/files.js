import { ApiError, uploadAudio } from './api.js';
import { toWav } from './ffmpeg.js';
import { floatToS16, mixDown, wavFile } from './pcm.js';
import { serverAudioType } from './sniff.js';

/** More than this is not decoded in the page; the converter reads such a file piece by piece. */
const DECODE_LIMIT_BYTES = 200e6;
const RATE_HZ = 48_000;

/**
 * Speaks any sound or video file: what the server takes goes out as it is, what the browser decodes as 48 kHz mono WAV,
 * and the rest through FFmpeg in the page.
 *
 * @param {string} sessionId
 * @param {File} file
 * @param {{interruptFirst?: boolean, onStep?: (text: string) => void, onProgress?: (ratio: number | null) => void,
 *   signal?: AbortSignal}} options
 * @returns {Promise<{utteranceId: string, way: 'original' | 'browser' | 'ffmpeg'}>}
 */
export async function speakFile(sessionId, file, options = {}) {
  const { interruptFirst, onStep, onProgress, signal } = options;
  if (file.size === 0) throw new Error('The file is empty.');
  const head = new Uint8Array(await file.slice(0, 64).arrayBuffer());
  const type = serverAudioType(head);
  const send = async (blob, way) => {
    onStep?.('Sending…');
    onProgress?.(0);
    return { ...(await uploadAudio(sessionId, blob, { interruptFirst, onProgress, signal })), way };
  };
  if (type) {
    try {
      return await send(new Blob([file], { type }), 'original');
    } catch (error) {
      // The server looked inside and could not read it: one of the other ways may.
      if (!(error instanceof ApiError) || (error.status !== 415 && error.status !== 422)) throw error;
    }
  }
  const decoded = file.size <= DECODE_LIMIT_BYTES ? await decodeHere(file, options) : null;
  signal?.throwIfAborted();
  if (decoded) return send(decoded, 'browser');
  return send(await toWav(file, options), 'ffmpeg');
}

/** The file as WAV, decoded by the browser, or null when it cannot. */
async function decodeHere(file, { onStep, onProgress }) {
  onStep?.('Decoding…');
  onProgress?.(null);
  try {
    // An offline context decodes straight to its own rate, without a sound device.
    const context = new OfflineAudioContext(1, 1, RATE_HZ);
    const buffer = await context.decodeAudioData(await file.arrayBuffer());
    if (buffer.length === 0) return null;
    const mono = mixDown(Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i)));
    const samples = new Int16Array(mono.length);
    floatToS16(mono, samples);
    return new Blob([wavFile(samples, RATE_HZ)], { type: 'audio/wav' });
  } catch {
    return null;
  }
}
