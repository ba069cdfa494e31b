import { getConfig, getReport, listPresets, patchConfig, patchSession } from './api.js';
import { byId, create, setText } from './dom.js';
import { bytesText } from './format.js';
import { logLine } from './notices.js';

/** A slider that was let go is sent after this, so that the arrow keys do not send every step. */
const SETTLE_MS = 350;
const CHUNK_MS = 40;
const QUALITIES = ['full', 'half', 'low'];
const QUALITY_TEXTS = ['full: 25 pictures a second', 'half: 12.5 a second', 'low: 5 a second'];

/** Changes settings while everything runs: those of the session on show, and the server's memory limit. Event `config` {config}: the server's settings. */
export class TunePanel extends EventTarget {
  #sessionId;
  #profile = null;
  #preset = '';
  #presets = [];
  #config = null;
  #timers = new Map();
  #sliders;

  /** `sessionId`: gives the session on show. */
  constructor(sessionId) {
    super();
    this.#sessionId = sessionId;
    this.#sliders = {
      bitrateKbps: this.#slider('tune-bitrate', {
        text: (value) => `${value} kb/s`,
        send: (value) => this.#change({ session: { bitrateKbps: value } }, `The bit rate is ${value} kb/s.`),
      }),
      maxQueueSize: this.#slider('tune-queue', {
        text: (value) => `${value * CHUNK_MS} ms`,
        send: (value) =>
          this.#change({ session: { maxQueueSize: value } }, `The buffer holds ${value * CHUNK_MS} ms of live sound.`),
      }),
      jitterBufferMs: this.#slider('tune-jitter', {
        text: (value) => `${value} ms`,
        send: (value) =>
          this.#change({ session: { jitterBufferMs: value } }, `Live sound is held back by ${value} ms.`),
      }),
      idleQuality: this.#slider('tune-idle', {
        text: (value) => QUALITY_TEXTS[value] ?? '',
        read: (quality) => QUALITIES.indexOf(quality),
        send: (value) =>
          this.#change({ session: { idleQuality: QUALITIES[value] } }, `Idle quality is ${QUALITY_TEXTS[value]}.`),
      }),
      maxMemoryMb: this.#slider('tune-memory', {
        text: (value) => bytesText(value * 1e6),
        send: (value) => this.#limit(value),
      }),
    };
    byId('tune-preset').addEventListener('change', ({ target }) => {
      const { value } = target;
      void this.#change({ preset: value }, `The session has the preset “${value}” now.`);
    });
    void this.#loadPresets();
    void this.loadConfig();
  }

  /** What the session on show is like; null while it cannot be had. */
  update(info) {
    this.#profile = info?.profile ?? null;
    byId('tune-session').hidden = !this.#profile;
    this.#showCard();
    if (!this.#profile) return;
    for (const name of ['bitrateKbps', 'maxQueueSize', 'jitterBufferMs', 'idleQuality'])
      this.#sliders[name].show(this.#profile[name]);
    if (info.preset !== this.#preset) {
      this.#preset = info.preset;
      this.#showPresets();
    }
  }

  /** The settings of the server, at first and when somebody else has changed them. */
  async loadConfig() {
    try {
      this.#config = await getConfig();
      this.dispatchEvent(new CustomEvent('config', { detail: { config: this.#config.config } }));
    } catch {
      this.#config = null; // an older server, or one that is away
    }
    const live = this.#config?.live ?? [];
    const memory = this.#config?.config?.memory?.maxMemoryMb;
    const can = Number.isFinite(memory) && live.some((path) => 'memory.maxMemoryMb'.startsWith(path));
    byId('tune-server').hidden = !can;
    if (can) {
      const slider = byId('tune-memory');
      // A limit below the need is refused: it is not offered.
      const { contract } = await getReport().catch(() => ({}));
      if (contract?.needMb) slider.min = String(Math.min(memory, Math.ceil(contract.needMb / 50) * 50));
      slider.max = String(Math.max(4000, Number(slider.max), Math.ceil(memory / 500) * 500));
      this.#sliders.maxMemoryMb.show(memory);
    }
    this.#showCard();
  }

  #showCard() {
    byId('tune').hidden = byId('tune-session').hidden && byId('tune-server').hidden;
  }

  #slider(id, { text, send, read = (value) => value }) {
    const input = byId(id);
    const output = byId(`${id}-value`);
    const show = () => {
      setText(output, text(Number(input.value)));
      input.setAttribute('aria-valuetext', output.textContent);
    };
    input.addEventListener('input', () => {
      show();
      this.#hold(id, () => send(Number(input.value)));
    });
    return {
      /** A value of the server; not while somebody moves it. */
      show: (value) => {
        if (value === undefined || value === null || this.#timers.has(id)) return;
        const next = read(value);
        // A value outside the usual range widens it: what is set is what is shown.
        if (next > Number(input.max)) input.max = String(next);
        if (next < Number(input.min)) input.min = String(next);
        if (input.value !== String(next)) input.value = String(next);
        show();
      },
    };
  }

  /** Sends when it was quiet for a moment; until the answer is there the server's old value is not shown. */
  #hold(id, send) {
    clearTimeout(this.#timers.get(id));
    const timer = setTimeout(() => {
      void send().finally(() => {
        if (this.#timers.get(id) === timer) this.#timers.delete(id);
        this.update(this.#profile && { profile: this.#profile, preset: this.#preset });
      });
    }, SETTLE_MS);
    this.#timers.set(id, timer);
  }

  async #change(change, done) {
    const id = this.#sessionId();
    if (!id) return;
    try {
      const session = await patchSession(id, change);
      if (session?.profile) this.#profile = session.profile;
      if (session?.preset) this.#preset = session.preset;
      this.#say(session?.idr ? `${done} Viewers got a new keyframe.` : done);
    } catch (error) {
      this.#say([error.message, error.hint].filter(Boolean).join(' '), true);
    }
    this.#showPresets();
  }

  async #limit(maxMemoryMb) {
    try {
      const { needsRestart = [] } = await patchConfig({ memory: { maxMemoryMb } });
      const later = needsRestart.length > 0 ? ' It counts after a restart of the server.' : '';
      this.#say(`The memory limit is ${bytesText(maxMemoryMb * 1e6)}.${later}`);
    } catch (error) {
      this.#say([error.message, error.hint].filter(Boolean).join(' '), true);
    }
    this.#timers.delete('tune-memory');
    await this.loadConfig();
  }

  #say(text, wrong = false) {
    const status = byId('tune-status');
    status.classList.toggle('error', wrong);
    setText(status, text);
    logLine(text, wrong ? 'error' : 'info');
  }

  async #loadPresets() {
    this.#presets = await listPresets().catch(() => []);
    this.#showPresets();
  }

  #showPresets() {
    const select = byId('tune-preset');
    const names = this.#presets.map(({ name }) => name);
    const all =
      this.#preset && !names.includes(this.#preset) ? [{ name: this.#preset }, ...this.#presets] : this.#presets;
    const key = all.map(({ name }) => name).join();
    if (select.dataset.key !== key) {
      select.dataset.key = key;
      select.replaceChildren(
        ...all.map(({ name, width, height }) =>
          create('option', { value: name }, width ? `${name} (${width} × ${height})` : name),
        ),
      );
    }
    select.value = this.#preset;
  }
}
