import { byId, setText } from './dom.js';
import { speakFile } from './files.js';
import { nameUtterance } from './names.js';
import { clearNotice, logLine, showError } from './notices.js';

const WAYS = { original: 'sent as it is', browser: 'decoded in the browser', ffmpeg: 'converted with FFmpeg' };

const drop = byId('drop');
const input = byId('file');
const progress = byId('file-progress');

/** Files by drop, paste or choice. One at a time: a second one waits for nobody, it is refused in words. */
export class FilePanel {
  #sessionId;
  #job = null;

  /** @param {() => string | null} sessionId the session that speaks */
  constructor(sessionId) {
    this.#sessionId = sessionId;
    input.addEventListener('change', () => {
      void this.#speak(input.files?.[0]);
      input.value = '';
    });
    byId('file-cancel').addEventListener('click', () => this.#job?.abort());
    // A file that misses the field must not replace the page: the whole page takes it.
    document.addEventListener('dragover', (event) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      drop.classList.add('over');
    });
    document.addEventListener('dragleave', (event) => {
      if (!event.relatedTarget) drop.classList.remove('over');
    });
    document.addEventListener('drop', (event) => {
      drop.classList.remove('over');
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      void this.#speak(event.dataTransfer.files[0]);
    });
    document.addEventListener('paste', (event) => {
      const file = event.clipboardData?.files[0];
      if (file) void this.#speak(file);
    });
  }

  async #speak(file) {
    if (!file) return;
    const id = this.#sessionId();
    if (!id) return showError(new Error('There is no session to speak.'));
    if (this.#job) return showError(new Error('Another file is being prepared. Cancel it first.'));
    this.#job = new AbortController();
    byId('file-job').hidden = false;
    try {
      const { way, utteranceId } = await speakFile(id, file, {
        interruptFirst: byId('interrupt-first').checked,
        signal: this.#job.signal,
        onStep: (step) => setText(byId('file-text'), `${file.name}: ${step}`),
        onProgress: (ratio) => showProgress(progress, ratio),
      });
      nameUtterance(utteranceId, file.name);
      clearNotice();
      logLine(`${file.name} is queued (${WAYS[way]}).`);
    } catch (error) {
      if (error.name === 'AbortError') logLine(`${file.name} was cancelled.`);
      else showError({ message: `${file.name}: ${error.message}`, hint: error.hint });
    } finally {
      this.#job = null;
      byId('file-job').hidden = true;
    }
  }
}

/** A ratio 0…1, or null for "under way". */
export function showProgress(element, ratio) {
  if (ratio === null || !Number.isFinite(ratio)) element.removeAttribute('value');
  else element.value = ratio;
}
