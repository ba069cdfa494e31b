import { toMp4 } from './ffmpeg.js';

const MP4 = ['video/mp4;codecs=avc1.42E01F,mp4a.40.2', 'video/mp4;codecs=avc1.42E01F,opus', 'video/mp4'];
const WEBM = ['video/webm;codecs=h264,opus', 'video/webm;codecs=vp9,opus', 'video/webm;codecs=vp8,opus', 'video/webm'];

/** The best kind that this browser records: MP4, then WebM with H.264 (quick to turn into MP4), then any WebM. */
export function recordingType(isSupported = (type) => MediaRecorder.isTypeSupported(type)) {
  return [...MP4, ...WEBM].find(isSupported) ?? '';
}

/** Records a stream; the result is always MP4 in the end. Events: `stopped` {blob, type}. */
export class StreamRecorder extends EventTarget {
  #recorder;
  #parts = [];

  /** @param {MediaStream} stream ended tracks (a lost connection) end the recording; what there is stays */
  constructor(stream, type = recordingType()) {
    super();
    this.#recorder = new MediaRecorder(stream, type ? { mimeType: type, videoBitsPerSecond: 6e6 } : undefined);
    this.#recorder.addEventListener('dataavailable', ({ data }) => data.size && this.#parts.push(data));
    this.#recorder.addEventListener('stop', () => {
      const blob = new Blob(this.#parts, { type: this.#recorder.mimeType });
      this.#parts = [];
      this.dispatchEvent(new CustomEvent('stopped', { detail: { blob } }));
    });
    this.#recorder.start(1000);
  }

  close() {
    if (this.#recorder.state !== 'inactive') this.#recorder.stop();
  }
}

/** The recording as MP4; a WebM one goes through FFmpeg in the page. */
export async function asMp4(blob, options) {
  return blob.type.startsWith('video/mp4') ? blob : toMp4(blob, options);
}

/** Hands a file to the person. */
export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
