/**
 * FFmpeg as WebAssembly in the page, single thread: loaded (32 MB) only when something needs it, and given back
 * after each job, because its memory never shrinks.
 */
import { serverUrl } from '../base.js';

/** What the browser cannot decode becomes a 48 kHz mono WAV file. */
export async function toWav(file, options) {
  const data = await run(file, ['-vn', '-sn', '-dn', '-ac', '1', '-ar', '48000', '-c:a', 'pcm_s16le'], 'wav', options);
  return new Blob([data], { type: 'audio/wav' });
}

/** A WebM recording becomes MP4; H.264 pictures are copied, everything else is encoded anew. */
export async function toMp4(blob, options) {
  const picture = /h264|avc1/i.test(blob.type)
    ? ['-c:v', 'copy']
    : [
        '-c:v',
        'libx264',
        '-preset',
        'ultrafast',
        '-crf',
        '21',
        '-pix_fmt',
        'yuv420p',
        '-vf',
        'pad=ceil(iw/2)*2:ceil(ih/2)*2',
      ];
  const args = [...picture, '-c:a', 'aac', '-b:a', '128k', '-movflags', '+faststart'];
  const data = await run(new File([blob], 'recording.webm'), args, 'mp4', options);
  return new Blob([data], { type: 'video/mp4' });
}

/**
 * Time and length out of FFmpeg's log, which knows both for sound as well (its own progress figure does not).
 * @returns {{lengthS?: number, timeS?: number}}
 */
export function readLogLine(line) {
  const seconds = (m) => Number(m[1]) * 3600 + Number(m[2]) * 60 + Number(m[3]);
  const length = /Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)/.exec(line);
  const time = /time=(\d+):(\d\d):(\d\d(?:\.\d+)?)/.exec(line);
  return { ...(length ? { lengthS: seconds(length) } : {}), ...(time ? { timeS: seconds(time) } : {}) };
}

/**
 * @param {File} file mounted, not copied
 * @param {string[]} args between input and output
 * @param {string} extension of the output
 * @param {{onStep?: (text: string) => void, onProgress?: (ratio: number | null) => void, signal?: AbortSignal}} options
 *   `onProgress(null)`: under way, end not known
 */
async function run(file, args, extension, { onStep, onProgress, signal } = {}) {
  onStep?.('Loading the converter (32 MB, once)…');
  onProgress?.(null);
  const { FFmpeg } = await import(serverUrl('vendor/ffmpeg/index.js'));
  const ffmpeg = new FFmpeg();
  const stop = () => ffmpeg.terminate();
  signal?.addEventListener('abort', stop, { once: true });
  const lastLines = [];
  let lengthS = 0;
  ffmpeg.on('log', ({ message }) => {
    lastLines.push(message);
    if (lastLines.length > 12) lastLines.shift();
    const found = readLogLine(message);
    if (found.lengthS && !lengthS) lengthS = found.lengthS;
    if (found.timeS && lengthS) onProgress?.(Math.min(1, found.timeS / lengthS));
  });
  try {
    signal?.throwIfAborted();
    const core = serverUrl('vendor/ffmpeg-core/ffmpeg-core.js');
    const wasm = serverUrl('vendor/ffmpeg-core/ffmpeg-core.wasm');
    await ffmpeg.load({ coreURL: core, wasmURL: wasm }, { signal });
    onStep?.('Converting…');
    await ffmpeg.createDir('/in');
    // The name could carry anything: inside it is always the same.
    await ffmpeg.mount('WORKERFS', { blobs: [{ name: 'input', data: file }] }, '/in');
    const output = `output.${extension}`;
    const result = await ffmpeg.exec(['-hide_banner', '-i', '/in/input', ...args, output], undefined, { signal });
    if (result !== 0) throw new Error(reasonOf(lastLines));
    const data = await ffmpeg.readFile(output);
    if (data.byteLength <= 44) throw new Error('There is no sound in this file.');
    onProgress?.(1);
    return data;
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof Error ? error : new Error(String(error), { cause: error });
  } finally {
    signal?.removeEventListener('abort', stop);
    ffmpeg.terminate();
  }
}

function reasonOf(lines) {
  const text = lines.join('\n');
  if (/Invalid data found|could not find codec parameters|moov atom not found/i.test(text)) {
    return 'This file is not a sound or video that can be read.';
  }
  if (/does not contain any stream|matches no streams/i.test(text)) return 'There is no sound in this file.';
  return 'The file could not be converted.';
}
