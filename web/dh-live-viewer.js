/**
 * `<dh-live-viewer>`: the avatar in any page.
 *
 *     <script type="module" src="https://your-server/web/dh-live-viewer.js"></script>
 *     <dh-live-viewer src="https://your-server/whep/main"></dh-live-viewer>
 *
 * Attributes
 *   src       WHEP address. A change switches the stream; without it nothing is shown.
 *   token     access token, if the server asks for one.
 *   fit       auto (default: covers its place while enough of the picture stays visible), cover, contain.
 *   poster    address of a still picture, shown while there is no live one.
 *   label     name for screen readers; default "Talking avatar".
 *   controls  none: no buttons, no keys; the page calls `turnSoundOn()` from a click of its own.
 *   hotkeys   keys m, f and space work wherever the focus is in the page, not only inside the element.
 *
 * Properties: `state` (see whep.js), `stream`, `video`, `client`, `muted`, `volume` (0…1).
 * Methods: `turnSoundOn()`, `toggleSound()`, `toggleFullscreen()`, `togglePause()`, `reconnect()`.
 * Events (bubbling CustomEvents): `dh-state` {state, message, hint, retryInMs, picture, ended}, `dh-stream` {stream},
 * `dh-stats` (see whep.js), `dh-sound` {muted, volume}.
 * Style: `--dh-live-background` behind the picture, `--dh-live-accent` and `--dh-live-accent-text` for the button; give
 * the element a size. All of it with examples: docs/embedding.md; types: dh-live-viewer.d.ts.
 */
import { fitBox } from './fit.js';
import { STYLE, TEMPLATE } from './viewer-parts.js';
import { WhepClient } from './whep.js';

/** What each state says to a person: a headline and, below it, what happens next. */
export function describeState({ state, message = '', hint = '', retryInMs = 0, picture = true, ended = false }) {
  const soon = retryInMs > 900 ? ` Next try in ${Math.round(retryInMs / 1000)} s.` : '';
  switch (state) {
    case 'connecting':
      return { title: 'Connecting…', text: '' };
    case 'reconnecting':
      return { title: 'Reconnecting…', text: [message, hint].filter(Boolean).join(' ') };
    case 'full':
      return { title: 'The server is full', text: `You will be connected as soon as there is room.${soon}` };
    case 'live':
      return picture
        ? { title: '', text: '' }
        : { title: 'Sound only', text: [message, hint].filter(Boolean).join(' ') };
    case 'missing':
      if (ended) return { title: 'The session has ended', text: 'The picture comes back if it is opened again.' };
      return { title: 'No such session', text: `There is no session under this address.${soon}` };
    case 'failed':
      return { title: 'This does not work', text: [message, hint].filter(Boolean).join(' ') };
    default:
      return { title: '', text: '' };
  }
}

/** See the comment at the top of this file. */
export class DhLiveViewer extends HTMLElement {
  static observedAttributes = ['src', 'token', 'fit', 'label', 'poster'];

  #client = null;
  #parts = {};
  #resize = null;
  #everSound = false;
  #userPaused = false;
  #sound = { muted: true, volume: 1 };
  #placed = '';
  #idleTimer = 0;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    const sheet = new globalThis.CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    root.innerHTML = TEMPLATE;
    for (const element of root.querySelectorAll('[id]')) this.#parts[element.id] = element;
    const { video, sound, mute, full, volume, retry } = this.#parts;
    video.muted = true;
    video.addEventListener('resize', () => this.#place());
    video.addEventListener('volumechange', () => this.#showSound());
    video.addEventListener('pause', () => this.#showPause());
    video.addEventListener('play', () => this.#showPause());
    sound.addEventListener('click', () => this.turnSoundOn());
    mute.addEventListener('click', () => this.toggleSound());
    full.addEventListener('click', () => this.toggleFullscreen());
    retry.addEventListener('click', () => this.reconnect());
    volume.addEventListener('input', () => {
      video.volume = Number(volume.value) / 100;
      if (video.volume > 0 && video.muted) this.turnSoundOn();
    });
    this.addEventListener('pointermove', () => this.#wake());
    this.addEventListener('pointerdown', () => this.#wake());
    root.addEventListener('focusin', () => this.#wake());
    this.#showSound();
  }

  connectedCallback() {
    this.#resize = new ResizeObserver(() => this.#place());
    this.#resize.observe(this);
    document.addEventListener('keydown', this.#onKey);
    document.addEventListener('fullscreenchange', this.#onFullscreen);
    this.#open();
  }

  disconnectedCallback() {
    this.#resize?.disconnect();
    document.removeEventListener('keydown', this.#onKey);
    document.removeEventListener('fullscreenchange', this.#onFullscreen);
    clearTimeout(this.#idleTimer);
    this.#closeClient();
  }

  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    if (name === 'fit') this.#place(true);
    else if (name === 'label') this.#parts.video.setAttribute('aria-label', after || 'Talking avatar');
    else if (name === 'poster') this.#showPoster(after);
    else if (this.isConnected) this.#open();
  }

  get video() {
    return this.#parts.video;
  }

  get client() {
    return this.#client;
  }

  get state() {
    return this.#client?.state ?? 'closed';
  }

  get stream() {
    return this.#client?.stream ?? null;
  }

  get muted() {
    return this.video.muted;
  }

  set muted(value) {
    this.video.muted = Boolean(value);
  }

  get volume() {
    return this.video.volume;
  }

  set volume(value) {
    this.video.volume = Math.max(0, Math.min(1, Number(value)));
  }

  /** Unmutes; call it from a click or a key, browsers demand one. Resolves to whether there is sound now. */
  async turnSoundOn() {
    const { video } = this.#parts;
    video.muted = false;
    if (video.volume === 0) video.volume = 1;
    try {
      if (video.srcObject && !this.#userPaused) await video.play();
    } catch (error) {
      // An AbortError only means that a new stream came in between; the element plays that one.
      if (error.name !== 'AbortError') {
        video.muted = true;
        await video.play().catch(() => {});
        return false;
      }
    }
    return true;
  }

  toggleSound() {
    if (this.muted) void this.turnSoundOn();
    else this.muted = true;
  }

  togglePause() {
    const { video } = this.#parts;
    if (!video.srcObject) return;
    this.#userPaused = !video.paused;
    if (video.paused) void video.play().catch(() => {});
    else video.pause();
  }

  async toggleFullscreen() {
    if (document.fullscreenElement) return document.exitFullscreen();
    if (this.requestFullscreen) return this.requestFullscreen().catch(() => {});
    // iPhones know full screen only for the video itself.
    this.video.webkitEnterFullscreen?.();
  }

  /** Tries again at once, also after `failed`. */
  reconnect() {
    this.#open();
  }

  #open() {
    this.#closeClient();
    const src = this.getAttribute('src');
    if (!src) return this.#showState({ state: 'closed' });
    const client = new WhepClient(src, { token: this.getAttribute('token') ?? '' });
    this.#client = client;
    client.addEventListener('state', ({ detail }) => {
      this.#showState(detail);
      this.#emit('dh-state', detail);
    });
    client.addEventListener('stream', ({ detail }) => {
      const { video } = this.#parts;
      video.srcObject = detail.stream;
      this.#userPaused = false;
      void video.play().catch((error) => this.#onPlayRefused(error));
      this.#emit('dh-stream', detail);
    });
    client.addEventListener('stats', ({ detail }) => this.#emit('dh-stats', detail));
    client.start();
  }

  #closeClient() {
    this.#client?.close();
    this.#client = null;
  }

  #onPlayRefused(error) {
    if (error.name !== 'NotAllowedError' || this.muted) return;
    this.#everSound = false;
    this.muted = true;
    void this.video.play().catch(() => {});
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  #showState(detail) {
    const { status, title, text, retry } = this.#parts;
    const words = describeState(detail);
    this.dataset.state = detail.state;
    this.toggleAttribute('data-sound-only', detail.picture === false);
    // Only words that changed are spoken again by a screen reader.
    if (title.textContent !== words.title) title.textContent = words.title;
    if (text.textContent !== words.text) text.textContent = words.text;
    status.hidden = words.title === '';
    retry.hidden = detail.state !== 'failed';
    this.#showSound();
  }

  #showPoster(address) {
    const { poster } = this.#parts;
    if (address) poster.src = address;
    else poster.removeAttribute('src');
    poster.hidden = !address;
  }

  #showSound() {
    const { video, mute, sound, volume, controls } = this.#parts;
    if (!video.muted) this.#everSound = true;
    const none = this.getAttribute('controls') === 'none';
    sound.hidden = this.#everSound || this.state !== 'live' || none;
    controls.hidden = none;
    // The large button says the same already.
    mute.hidden = volume.hidden = !sound.hidden;
    const silent = video.muted || video.volume === 0;
    mute.dataset.on = String(!silent);
    mute.setAttribute('aria-label', silent ? 'Turn sound on (m)' : 'Turn sound off (m)');
    mute.title = mute.getAttribute('aria-label');
    volume.value = String(video.muted ? 0 : Math.round(video.volume * 100));
    const { muted, volume: level } = video;
    if (muted === this.#sound.muted && level === this.#sound.volume) return;
    this.#sound = { muted, volume: level };
    this.#emit('dh-sound', { muted, volume: level });
  }

  #showPause() {
    this.#parts.paused.hidden = !this.video.paused || !this.video.srcObject || this.state !== 'live';
  }

  #onFullscreen = () => {
    const inside = document.fullscreenElement === this;
    this.#parts.full.dataset.on = String(inside);
    this.#parts.full.setAttribute('aria-label', inside ? 'Leave full screen (f)' : 'Full screen (f)');
  };

  #onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (this.getAttribute('controls') === 'none') return;
    const path = event.composedPath();
    if (!this.hasAttribute('hotkeys') && !path.includes(this)) return;
    const target = path[0];
    if (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName ?? '')) {
      if (target !== this.#parts.volume) return;
    }
    if (event.key === 'm' || event.key === 'M') this.toggleSound();
    else if (event.key === 'f' || event.key === 'F') void this.toggleFullscreen();
    else if (event.key === ' ' && target.tagName !== 'BUTTON') this.togglePause();
    else return;
    event.preventDefault();
    this.#wake();
  };

  /** Shows the controls for a while. */
  #wake() {
    this.dataset.active = '';
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => delete this.dataset.active, 2500);
  }

  #place(force = false) {
    const { video } = this.#parts;
    const place = { width: this.clientWidth, height: this.clientHeight };
    const picture = { width: video.videoWidth, height: video.videoHeight };
    const key = [place.width, place.height, picture.width, picture.height].join();
    if (key === this.#placed && !force) return;
    this.#placed = key;
    const box = fitBox(place, picture, this.getAttribute('fit') ?? 'auto');
    video.style.width = `${box.width}px`;
    video.style.height = `${box.height}px`;
  }
}

if (!customElements.get('dh-live-viewer')) customElements.define('dh-live-viewer', DhLiveViewer);
