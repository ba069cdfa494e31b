/* global RTCRtpReceiver */
import { Backoff, retryAfterMs } from './backoff.js';
import { iceServersOf } from './link-header.js';

/**
 * What a refused offer means for the viewer (`api.md`, WebRTC): the state to show and whether to go on trying.
 * @param {number} status HTTP status of the answer; 0 when there was none
 * @param {string} [code] error code of the body, if it had one
 */
export function outcomeOf(status, code) {
  if (status === 404) return { state: 'missing', retry: true };
  if (status === 503 && (!code || code.endsWith('_limit'))) return { state: 'full', retry: true };
  if (status === 0 || status === 408 || status === 409 || status === 429 || status >= 500) {
    return { state: 'reconnecting', retry: true };
  }
  return { state: 'failed', retry: false };
}

/** Codecs with H.264 first (packetization-mode=1 before 0), the rest in the browser's own order. */
export function preferH264(codecs) {
  const rank = ({ mimeType, sdpFmtpLine = '' }) =>
    mimeType.toLowerCase() !== 'video/h264' ? 2 : sdpFmtpLine.includes('packetization-mode=1') ? 0 : 1;
  return [...codecs].sort((a, b) => rank(a) - rank(b));
}

/** Why there is no stream. `gone`: the server has forgotten this viewer; there is nothing to take leave of. */
class Refused extends Error {
  constructor(message, details) {
    super(message);
    Object.assign(this, { status: 0, code: '', hint: '', waitMs: 0, gone: false }, details);
  }
}

const POST_TIMEOUT_MS = 10_000;
const FIRST_FRAME_MS = 10_000;
const GRACE_MS = 1500;
/** How often a live connection is looked at. */
const LOOK_MS = 150;
/** A server sends 50 packets of sound a second: after this long without any, it is asked whether it still sends. */
const SILENCE_MS = 300;
/** While nothing arrives it is asked again this often. */
const ASK_AGAIN_MS = 700;
/** A stage process is replaced within a second: for this long after a loss the waits for it are short. */
const QUICK_MS = 3000;

/**
 * Watches one WHEP stream (draft-ietf-wish-whep) and reconnects on its own for as long as it runs.
 *
 * Events, all CustomEvent:
 *  - `state`: `{state, message, hint, retryInMs, picture, ended}`, state one of `connecting`, `live`, `reconnecting`, `full`,
 *    `missing` (these all go on trying), `failed` (a later try would be refused too), `closed`. `picture` is false while
 *    only sound comes, because the browser has no codec for the picture; message and hint then say so. `ended` is true
 *    when a session is missing that was shown before.
 *  - `stream`: `{stream}`, a new MediaStream with both tracks, once per connection.
 *  - `stats`: once a second while live `{fps, width, height, packetsLost, jitterMs, roundTripMs}`; null: not known.
 */
export class WhepClient extends EventTarget {
  #url;
  #token;
  #stallMs;
  #backoff;
  #quick = new Backoff({ minMs: 80, maxMs: 200, factor: 1.5 });
  #state = 'closed';
  #running = false;
  #wasLive = false;
  #attempt = 0;
  #pc = null;
  #stream = null;
  #resource = null;
  #etag = null;
  #abort = null;
  #soundOnly = false;
  #quickUntil = -Infinity;
  #retryTimer = 0;
  #graceTimer = 0;
  #watchTimer = 0;

  /**
   * @param {string | URL} url address of the WHEP endpoint, e.g. `/whep/main`
   * @param {{token?: string, stallMs?: number, backoff?: Backoff}} [options] `token` goes out as
   *   `Authorization: Bearer`; without a new picture for `stallMs` the connection is made anew.
   */
  constructor(url, { token = '', stallMs = 3000, backoff = new Backoff() } = {}) {
    super();
    this.#url = new URL(url, location.href).href;
    this.#token = token;
    this.#stallMs = stallMs;
    this.#backoff = backoff;
  }

  get state() {
    return this.#state;
  }

  /** The stream of the present connection, or null. */
  get stream() {
    return this.#stream;
  }

  /** Begins to watch; harmless while it runs. */
  start() {
    if (this.#running) return;
    this.#running = true;
    globalThis.addEventListener('pagehide', this.#onPageHide);
    globalThis.addEventListener('pageshow', this.#onPageShow);
    globalThis.addEventListener('online', this.#onWake);
    document.addEventListener('visibilitychange', this.#onWake);
    this.#connect();
  }

  /** Drops the connection, if any, and tries at once. */
  reconnect() {
    if (!this.#running) return this.start();
    this.#backoff.reset();
    this.#drop();
    this.#connect();
  }

  /** Ends watching and tells the server. Twice is harmless. */
  close() {
    if (!this.#running) return;
    this.#running = false;
    globalThis.removeEventListener('pagehide', this.#onPageHide);
    globalThis.removeEventListener('pageshow', this.#onPageShow);
    globalThis.removeEventListener('online', this.#onWake);
    document.removeEventListener('visibilitychange', this.#onWake);
    this.#drop();
    this.#show('closed');
  }

  #onPageHide = () => this.#drop();

  // A page that returns from the back/forward cache has no connection any more.
  #onPageShow = (event) => {
    if (event.persisted) this.reconnect();
  };

  // A waiting client does not sit out its back-off once somebody looks again or the network is back.
  #onWake = () => {
    if (document.visibilityState !== 'hidden' && this.#retryTimer) this.reconnect();
  };

  #show(state, details = {}) {
    this.#state = state;
    const detail = { state, message: '', hint: '', retryInMs: 0, picture: true, ended: false, ...details };
    this.dispatchEvent(new CustomEvent('state', { detail }));
  }

  async #connect() {
    const attempt = ++this.#attempt;
    // "Full" and "missing" stay on show during their retries, so that the page does not flicker.
    if (this.#state !== 'full' && this.#state !== 'missing') {
      this.#show(this.#wasLive || this.#state === 'reconnecting' ? 'reconnecting' : 'connecting');
    }
    try {
      const pc = this.#createPeer();
      this.#pc = pc;
      await pc.setLocalDescription();
      const answer = await this.#post(pc.localDescription.sdp, attempt);
      if (attempt !== this.#attempt) return;
      // The rest of the configuration cannot change any more, so it has to be there again.
      if (answer.iceServers.length) pc.setConfiguration({ ...pc.getConfiguration(), iceServers: answer.iceServers });
      await pc.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
      if (attempt === this.#attempt) this.#watch(pc);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (error.code === 'codec_unsupported' && !this.#soundOnly) {
        this.#soundOnly = true;
        this.#drop();
        return this.#connect();
      }
      // What the browser itself throws, another try would throw too.
      this.#retry(error instanceof Refused ? error : new Refused(`${error.message || error}`, { status: 422 }));
    }
  }

  #createPeer() {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    const stream = new MediaStream();
    // Sound first: the first line carries the connection of all, and an answer may refuse the picture.
    pc.addTransceiver('audio', { direction: 'recvonly' });
    if (!this.#soundOnly) {
      const video = pc.addTransceiver('video', { direction: 'recvonly' });
      const codecs = RTCRtpReceiver.getCapabilities?.('video')?.codecs;
      if (codecs && video.setCodecPreferences) video.setCodecPreferences(preferH264(codecs));
    }
    pc.addEventListener('track', ({ track }) => {
      stream.addTrack(track);
      if (pc !== this.#pc || stream.getTracks().length > 1) return;
      this.#stream = stream;
      this.dispatchEvent(new CustomEvent('stream', { detail: { stream } }));
    });
    pc.addEventListener('connectionstatechange', () => {
      if (pc !== this.#pc) return;
      clearTimeout(this.#graceTimer);
      if (pc.connectionState === 'failed' || pc.connectionState === 'closed') {
        this.#retry(new Refused('The connection was lost.'));
      } else if (pc.connectionState === 'disconnected') {
        // ICE often recovers from a short gap by itself.
        this.#graceTimer = setTimeout(() => this.#retry(new Refused('The connection was lost.')), GRACE_MS);
      }
    });
    return pc;
  }

  async #post(sdp, attempt) {
    this.#abort = new AbortController();
    const timeout = setTimeout(() => this.#abort?.abort(), POST_TIMEOUT_MS);
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/sdp', Accept: 'application/sdp', ...this.#authorization() },
        body: sdp,
        signal: this.#abort.signal,
      }).catch(() => {
        throw new Refused('The server does not answer.', { hint: 'Is it running, and is the network up?' });
      });
      if (response.status !== 201) throw await refusal(response);
      const location = response.headers.get('Location');
      const resource = location ? new URL(location, response.url).href : null;
      if (attempt !== this.#attempt) this.#release(resource);
      else {
        this.#resource = resource;
        this.#etag = response.headers.get('ETag');
      }
      return { sdp: await response.text(), iceServers: iceServersOf(response.headers.get('Link')) };
    } finally {
      clearTimeout(timeout);
    }
  }

  #authorization() {
    return this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
  }

  /** Looks whether pictures (or, without a picture track, sound packets) keep coming. */
  #watch(pc) {
    const hasVideo = pc.getTransceivers().some((t) => t.receiver.track.kind === 'video' && isReceiving(t));
    const begunAt = performance.now();
    let [lastCount, lastPackets] = [0, 0];
    let [changedAt, heardAt, askedAt, shownAt] = [begunAt, begunAt, begunAt, 0];
    let wasHidden = false;
    let live = false;
    const look = async () => {
      const report = await pc.getStats().catch(() => null);
      if (pc !== this.#pc) return;
      const now = performance.now();
      const streams = [...(report?.values() ?? [])].filter(({ type }) => type === 'inbound-rtp');
      const inbound = streams.find(({ kind }) => kind === (hasVideo ? 'video' : 'audio'));
      const count = (hasVideo ? inbound?.framesDecoded : inbound?.packetsReceived) ?? 0;
      const packets = streams.reduce((sum, { packetsReceived = 0 }) => sum + packetsReceived, 0);
      const hidden = document.visibilityState === 'hidden';
      // A hidden tab may pause decoding: there, packets that arrive are enough.
      const fresh = count !== lastCount || (hidden && packets !== lastPackets) || (wasHidden && !hidden);
      if (fresh) changedAt = now;
      if (packets !== lastPackets) heardAt = now;
      if (count > 0 && !live) {
        live = true;
        this.#wasLive = true;
        this.#backoff.reset();
        this.#quick.reset();
        this.#show('live', hasVideo ? {} : noPicture());
      }
      if (live && now - shownAt >= 950) {
        this.dispatchEvent(new CustomEvent('stats', { detail: summary(report, inbound, count) }));
        shownAt = now;
      }
      [lastCount, lastPackets, wasHidden] = [count, packets, hidden];
      if (now - changedAt > (live ? this.#stallMs : FIRST_FRAME_MS)) {
        return this.#retry(
          live
            ? new Refused('The picture stopped.')
            : new Refused('No picture arrives.', {
                hint: 'A firewall may block UDP between this device and the server.',
              }),
        );
      }
      if (live && now - heardAt > SILENCE_MS && now - askedAt > ASK_AGAIN_MS) {
        askedAt = now;
        void this.#ask(pc);
      }
      this.#watchTimer = setTimeout(look, live ? LOOK_MS : 60);
    };
    void look();
  }

  /**
   * Asks the server whether it still knows this viewer, with a PATCH that changes nothing (RFC 9725, section 4.3.1). A
   * server whose media process was replaced does not; a mere gap of the network is left to ICE.
   */
  async #ask(pc) {
    if (!this.#resource) return;
    const { sdp } = pc.localDescription;
    const lines = ['ice-ufrag', 'ice-pwd'].map((name) => new RegExp(`^a=${name}:.+$`, 'm').exec(sdp)?.[0].trim());
    const response = await fetch(this.#resource, {
      method: 'PATCH',
      headers: {
        'Content-Type': 'application/trickle-ice-sdpfrag',
        ...(this.#etag ? { 'If-Match': this.#etag } : {}),
        ...this.#authorization(),
      },
      body: `${lines.join('\r\n')}\r\na=end-of-candidates\r\n`,
    }).catch(() => null);
    if (pc !== this.#pc || ![404, 409].includes(response?.status)) return;
    this.#retry(new Refused('The connection was lost.', { gone: true }));
  }

  #retry({ message, status, code, hint, waitMs, gone }) {
    if (gone) this.#resource = null;
    if (this.#state === 'live') this.#quickUntil = performance.now() + QUICK_MS;
    this.#drop();
    if (!this.#running) return;
    const { state, retry } = outcomeOf(status, code);
    if (!retry) return this.#show(state, { message, hint });
    const quick = status === 409 && performance.now() < this.#quickUntil;
    const retryInMs = gone
      ? 0
      : quick
        ? this.#quick.next()
        : this.#backoff.next(state === 'missing' ? Math.max(waitMs, 3000) : waitMs);
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = 0;
      this.#connect();
    }, retryInMs);
    this.#show(state, { message, hint, retryInMs, ended: state === 'missing' && this.#wasLive });
  }

  #drop() {
    this.#attempt += 1;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#graceTimer);
    clearTimeout(this.#watchTimer);
    this.#retryTimer = 0;
    this.#abort?.abort();
    this.#abort = null;
    const pc = this.#pc;
    this.#pc = null;
    this.#stream = null;
    pc?.close();
    this.#release(this.#resource);
    this.#resource = null;
  }

  /** DELETE frees the viewer's place at once; `keepalive` lets it leave even while the page goes away. */
  #release(resource) {
    if (!resource) return;
    fetch(resource, { method: 'DELETE', keepalive: true, headers: this.#authorization() }).catch(() => {});
  }
}

function noPicture() {
  return {
    picture: false,
    message: 'This browser cannot show the picture (no H.264 or VP8); the sound plays.',
    hint: 'For the picture, use Chrome, Edge, Firefox or Safari.',
  };
}

function isReceiving(transceiver) {
  return transceiver.currentDirection === 'recvonly' || transceiver.currentDirection === 'sendrecv';
}

async function refusal(response) {
  const body = await response.json().catch(() => null);
  const { code = '', message = `The server answered ${response.status}.`, hint = '' } = body?.error ?? {};
  return new Refused(message, {
    status: response.status,
    code,
    hint,
    waitMs: retryAfterMs(response.headers.get('Retry-After')),
  });
}

function summary(report, inbound, framesDecoded) {
  const pair = [...report.values()].find((s) => s.type === 'candidate-pair' && s.nominated);
  return {
    fps: inbound.framesPerSecond ?? 0,
    framesDecoded,
    width: inbound.frameWidth ?? null,
    height: inbound.frameHeight ?? null,
    packetsLost: inbound.packetsLost ?? 0,
    jitterMs: inbound.jitter === undefined ? null : inbound.jitter * 1000,
    roundTripMs: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
  };
}
