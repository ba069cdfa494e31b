import { audioSocketUrl } from './api.js';

/** Sound that waits in the socket beyond this is stale: it is dropped and counted, not queued. */
const LIMIT_S = 0.4;
/** After the last word the microphone stays open for this long, so that the next push to talk is immediate. */
const LINGER_MS = 15_000;

/**
 * Speaks live into a session: microphone → AudioWorklet → signed 16-bit → WebSocket, at the sound device's own rate.
 *
 * Events: `state` {state: 'off' | 'opening' | 'ready' | 'talking'}, `level` {peak 0…1} about 50 a second,
 * `problem` {message, hint}, `message` with what the server says.
 */
export class Microphone extends EventTarget {
  #sessionId;
  #state = 'off';
  #wanted = false;
  #context = null;
  #stream = null;
  #node = null;
  #socket = null;
  #linger = 0;
  #dropped = 0;
  /** Grows with every close: what was asked for before it is given back when it comes. */
  #closes = 0;

  constructor(sessionId) {
    super();
    this.#sessionId = sessionId;
  }

  get state() {
    return this.#state;
  }

  /** Blocks of 20 ms that were not sent because the network was too slow. */
  get droppedBlocks() {
    return this.#dropped;
  }

  /** Begins to talk; opens the microphone and the socket on first use. */
  async talk() {
    this.#wanted = true;
    clearTimeout(this.#linger);
    if (this.#state === 'talking' || this.#state === 'opening') return;
    const closes = this.#closes;
    try {
      if (this.#state === 'off' && !(await this.#open())) return;
      if (this.#wanted) this.#show('talking');
      else this.#pause();
    } catch (error) {
      // Closed meanwhile, perhaps opened anew: nobody waits for what failed.
      if (closes !== this.#closes) return;
      this.close();
      this.#emit('problem', explain(error));
    }
  }

  /** Stops talking: tells the server that the utterance is complete. */
  pause() {
    this.#wanted = false;
    if (this.#state === 'talking') this.#pause();
  }

  #pause() {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send('{"type":"end"}');
    this.#show('ready');
    this.#emit('level', { peak: 0 });
    this.#linger = setTimeout(() => this.close(), LINGER_MS);
  }

  /** Gives the device and the socket back. Twice is harmless. */
  close() {
    this.#wanted = false;
    this.#closes += 1;
    clearTimeout(this.#linger);
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#node?.port.close();
    this.#node?.disconnect();
    void this.#context?.close().catch(() => {});
    const socket = this.#socket;
    this.#stream = this.#node = this.#context = this.#socket = null;
    socket?.close();
    this.#emit('level', { peak: 0 });
    if (this.#state !== 'off') this.#show('off');
  }

  /** Opens device and socket; false when it was closed meanwhile, and nothing of it is open then. */
  async #open() {
    this.#show('opening');
    const closes = this.#closes;
    const isClosed = () => closes !== this.#closes;
    if (!navigator.mediaDevices?.getUserMedia) throw new DOMException('insecure', 'SecurityError');
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    if (isClosed()) {
      for (const track of stream.getTracks()) track.stop();
      return false;
    }
    this.#stream = stream;
    stream.getAudioTracks()[0].addEventListener('ended', () => this.close());
    const context = new AudioContext({ latencyHint: 'interactive' });
    this.#context = context;
    await context.audioWorklet.addModule(new URL('./mic-worklet.js', import.meta.url));
    await context.resume();
    if (isClosed()) return false;
    const socket = await openSocket(audioSocketUrl(this.#sessionId, context.sampleRate));
    if (isClosed()) {
      socket.close();
      return false;
    }
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#onMessage(data));
    socket.addEventListener('close', ({ code }) => this.#onClosed(socket, code));
    this.#node = new AudioWorkletNode(context, 'mic-capture', { numberOfOutputs: 0 });
    this.#node.port.onmessage = ({ data }) => this.#onBlock(data);
    context.createMediaStreamSource(stream).connect(this.#node);
    return true;
  }

  #onBlock({ pcm, peak }) {
    if (this.#state !== 'talking') return;
    this.#emit('level', { peak });
    const limitBytes = this.#context.sampleRate * 2 * LIMIT_S;
    if (this.#socket.readyState !== WebSocket.OPEN || this.#socket.bufferedAmount > limitBytes) this.#dropped += 1;
    else this.#socket.send(pcm);
  }

  #onMessage(data) {
    if (typeof data !== 'string') return;
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (message.type === 'error') this.#emit('problem', message.error ?? {});
    else this.#emit('message', message);
  }

  #onClosed(socket, code) {
    if (this.#socket !== socket) return;
    this.close();
    // The session has ended, which the page shows; or the server has said why, with a code of its own.
    if (code === 1000 || code >= 4000) return;
    this.#emit('problem', { message: 'The connection for the microphone was lost.', hint: 'Talk again to reconnect.' });
  }

  #show(state) {
    this.#state = state;
    this.#emit('state', { state });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** The first message says how the session is, or why the sound is not taken. */
function openSocket(url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    const onMessage = ({ data }) => {
      const { type, error } = JSON.parse(data);
      if (type !== 'error') return resolve(socket);
      reject(Object.assign(new Error(error.message), { name: 'Refused', hint: error.hint ?? '' }));
    };
    socket.addEventListener('message', onMessage, { once: true });
    socket.addEventListener('close', () => reject(new Error('socket')), { once: true });
  });
}

function explain(error) {
  switch (error.name) {
    case 'NotAllowedError':
      return { message: 'The microphone is blocked.', hint: 'Allow it for this page in the browser’s address bar.' };
    case 'NotFoundError':
      return { message: 'There is no microphone.', hint: 'Connect one and try again.' };
    case 'NotReadableError':
      return { message: 'The microphone is in use.', hint: 'Another program may hold it.' };
    case 'SecurityError':
      return {
        message: 'Browsers give the microphone only to secure pages.',
        hint: 'Open this page over https, or on the server itself as http://localhost.',
      };
    case 'Refused':
      return { message: error.message, hint: error.hint };
    default:
      return error.message === 'socket'
        ? { message: 'The server did not take the sound of the microphone.', hint: 'Is it running?' }
        : { message: `The microphone could not be opened: ${error.message}`, hint: '' };
  }
}
