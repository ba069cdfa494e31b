import { byId, setText } from './dom.js';
import { toMp4 } from './ffmpeg.js';
import { showProgress } from './file-panel.js';
import { bytesText, durationText } from './format.js';
import { logLine, showError } from './notices.js';
import { asMp4, download, StreamRecorder } from './recorder.js';

const button = byId('record');
const link = byId('recording-link');
const aac = byId('recording-aac');

/** Records the preview, picture and sound, and offers it as MP4. */
export class RecordPanel {
  #viewer;
  #recorder = null;
  #begunMs = 0;
  #timer = 0;
  #job = null;
  #name = '';

  /** @param {import('../dh-live-viewer.js').DhLiveViewer} viewer */
  constructor(viewer) {
    this.#viewer = viewer;
    button.addEventListener('click', () => this.#toggle());
    byId('recording-cancel').addEventListener('click', () => {
      this.#job?.abort();
      this.#forget();
    });
    if (typeof MediaRecorder === 'undefined') button.hidden = true;
  }

  #toggle() {
    if (this.#recorder) return this.#recorder.close();
    const { stream } = this.#viewer;
    if (!stream || this.#viewer.state !== 'live') return showError(new Error('There is no picture to record yet.'));
    this.#forget();
    try {
      this.#recorder = new StreamRecorder(stream);
    } catch (error) {
      return showError({ message: `Recording does not work here: ${error.message}` });
    }
    this.#name = `dh-live-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}`;
    this.#begunMs = performance.now();
    this.#recorder.addEventListener('stopped', ({ detail }) => void this.#finish(detail.blob));
    this.#timer = setInterval(() => this.#label(), 500);
    this.#label();
    logLine('Recording began.');
  }

  async #finish(blob) {
    const lengthMs = performance.now() - this.#begunMs;
    clearInterval(this.#timer);
    this.#recorder = null;
    this.#label();
    if (blob.size === 0) return showError(new Error('Nothing was recorded.'));
    await this.#offer(blob, lengthMs, asMp4);
  }

  /** Converts a recording and offers what comes out; when that fails, the recording as it is. */
  async #offer(blob, lengthMs, convert) {
    const job = new AbortController();
    this.#job = job;
    byId('recording-job').hidden = false;
    aac.hidden = link.hidden = true;
    const progress = byId('recording-progress');
    progress.hidden = convert === asMp4 && blob.type.startsWith('video/mp4');
    let result = blob;
    try {
      result = await convert(blob, {
        signal: job.signal,
        onStep: (text) => setText(byId('recording-text'), `Recording: ${text}`),
        onProgress: (ratio) => showProgress(progress, ratio),
      });
    } catch {
      if (job.signal.aborted) return;
      showError({ message: 'The recording could not be converted.', hint: 'It can be saved as it is.' });
    }
    if (job.signal.aborted) return;
    progress.hidden = true;
    const mp4 = result.type.startsWith('video/mp4');
    // Browsers without an AAC encoder put Opus into MP4, which QuickTime and older Windows players do not play.
    const opus = mp4 && /opus/i.test(result.type);
    const note = opus ? ' Some players are silent with its Opus sound.' : '';
    setText(byId('recording-text'), `Recording, ${durationText(lengthMs)}, ${bytesText(result.size)}.${note}`);
    setText(byId('recording-cancel'), 'Discard');
    setText(link, mp4 ? 'Save MP4' : 'Save WebM');
    link.href = '#save';
    link.hidden = false;
    link.onclick = (event) => {
      event.preventDefault();
      download(result, `${this.#name}.${mp4 ? 'mp4' : 'webm'}`);
    };
    aac.hidden = !opus;
    aac.onclick = () => void this.#offer(blob, lengthMs, toMp4);
    logLine('The recording is ready.');
  }

  #forget() {
    this.#job = null;
    byId('recording-job').hidden = true;
    link.hidden = aac.hidden = true;
    link.onclick = aac.onclick = null;
    setText(byId('recording-cancel'), 'Cancel');
  }

  #label() {
    const on = this.#recorder !== null;
    button.setAttribute('aria-pressed', String(on));
    const time = on ? ` ${durationText(Math.floor((performance.now() - this.#begunMs) / 1000) * 1000)}` : '';
    setText(button.lastElementChild, on ? `Stop${time}` : 'Record');
  }
}
