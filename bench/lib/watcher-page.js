// Runs in the page before its own scripts: notes when it asks for the stream, what its video shows, and when beeps sound.
// `readTimeCode` is put into the page before this file.
/* global readTimeCode, OffscreenCanvas, HTMLMediaElement, HTMLVideoElement, MediaStreamAudioSourceNode */
(() => {
  /** 90 kHz at 25 pictures a second. */
  const TICKS_PER_PICTURE = 3600;
  /** Milliseconds since 1970. */
  const wall = () => performance.timeOrigin + performance.now();
  const watcher = {
    postMs: 0,
    firstCallMs: 0,
    firstShownMs: 0,
    /** Time codes are read only when told: the first picture is not to wait for it. */
    reading: false,
    frames: [],
    codesRead: 0,
    onsets: [],
    ticks: [],
    /** How much later the ears hear sound than the page got it, in ms. */
    earDelayMs: 0,
  };
  window.watcher = watcher;
  const peers = [];
  let video = null;

  const { fetch, RTCPeerConnection } = window;
  window.fetch = (input, options) => {
    if (options?.method === 'POST' && String(input).includes('/whep/')) watcher.postMs = wall();
    return fetch(input, options);
  };
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...options) {
      super(...options);
      peers.push(this);
    }
  };

  const canvas = new OffscreenCanvas(160, 90);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const readCode = () => {
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    return readTimeCode(data, canvas.width, canvas.height);
  };
  /** A picture whose time code was read. */
  let anchor = null;
  let looks = 0;
  /**
   * The picture's number, from its RTP timestamp; the time code is read once a second only, because on a small machine
   * reading pixels takes the time away that is measured. Null when the time code says something else.
   */
  const numberOf = (rtpTimestamp) => {
    const counted = anchor && anchor.n + ((rtpTimestamp - anchor.rtpTimestamp) | 0) / TICKS_PER_PICTURE;
    looks += 1;
    if (anchor && looks % 25 !== 0) return counted;
    const n = readCode();
    if (n === null) return null;
    anchor = { n, rtpTimestamp };
    watcher.codesRead += 1;
    return counted === null || counted === n ? n : null;
  };
  const look = (now, meta) => {
    if (watcher.firstCallMs === 0) {
      watcher.firstCallMs = wall();
      watcher.firstShownMs = performance.timeOrigin + meta.expectedDisplayTime;
    }
    if (watcher.reading) {
      const callMs = wall();
      watcher.frames.push({
        n: numberOf(meta.rtpTimestamp),
        shownMs: performance.timeOrigin + meta.expectedDisplayTime,
        callMs,
        receivedMs: meta.receiveTime === undefined ? null : performance.timeOrigin + meta.receiveTime,
        decodeMs: (meta.processingDuration ?? 0) * 1000,
        presented: meta.presentedFrames,
      });
    }
    video.requestVideoFrameCallback(look);
  };
  const { get, set } = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'srcObject');
  Object.defineProperty(HTMLMediaElement.prototype, 'srcObject', {
    configurable: true,
    get,
    set(stream) {
      if (video === null && this instanceof HTMLVideoElement) {
        video = this;
        video.requestVideoFrameCallback(look);
      }
      set.call(this, stream);
    },
  });

  const processor = `registerProcessor('ears', class extends AudioWorkletProcessor {
    #quiet = 0;
    #blocks = 0;
    process([[channel]]) {
      if (channel) {
        for (let i = 0; i < channel.length; i++) {
          if (Math.abs(channel[i]) < 0.05) this.#quiet += 1;
          else {
            if (this.#quiet > 4800) this.port.postMessage({ onset: currentTime + i / sampleRate });
            this.#quiet = 0;
          }
        }
      }
      this.#blocks += 1;
      if (this.#blocks % 8 === 0) this.port.postMessage({ tick: currentTime + 128 / sampleRate });
      return true;
    }
  });`;
  const openEars = async () => {
    const audio = new AudioContext({ sampleRate: 48_000, latencyHint: 'interactive' });
    await audio.audioWorklet.addModule(URL.createObjectURL(new Blob([processor], { type: 'text/javascript' })));
    await audio.resume();
    return audio;
  };

  /** The delay of a media stream's way into Web Audio, in ms: the same beeps straight and through a stream. */
  const measureEars = async (audio) => {
    const paths = [[], []];
    const nodes = paths.map((onsets) => {
      const node = new AudioWorkletNode(audio, 'ears');
      node.port.onmessage = ({ data }) => data.onset !== undefined && onsets.push(data.onset);
      node.connect(audio.destination);
      return node;
    });
    const stream = audio.createMediaStreamDestination();
    new MediaStreamAudioSourceNode(audio, { mediaStream: stream.stream }).connect(nodes[1]);
    const gain = new window.GainNode(audio, { gain: 0 });
    const tone = new window.OscillatorNode(audio, { frequency: 1000 });
    tone.connect(gain);
    gain.connect(nodes[0]);
    gain.connect(stream);
    tone.start();
    const begin = audio.currentTime + 0.3;
    const beeps = 8;
    for (let i = 0; i < beeps; i++) {
      gain.gain.setValueAtTime(0.1, begin + i * 0.207);
      gain.gain.setValueAtTime(0, begin + i * 0.207 + 0.05);
    }
    await new Promise((resolve) => setTimeout(resolve, 2500));
    tone.stop();
    for (const node of nodes) node.disconnect();
    const [straight, through] = paths;
    const delays = straight
      .map((at) => through.find((other) => other >= at - 0.001 && other < at + 0.15) - at)
      .filter(Number.isFinite)
      .sort((a, b) => a - b);
    return delays.length < beeps / 2 ? Number.NaN : delays[Math.floor(delays.length / 2)] * 1000;
  };

  /** Begins to read time codes and to listen for beeps; resolves when the ears' own delay is known. */
  window.startWatching = async () => {
    watcher.reading = true;
    const audio = await openEars();
    watcher.earDelayMs = await measureEars(audio);
    const node = new AudioWorkletNode(audio, 'ears');
    node.port.onmessage = ({ data }) => {
      if (data.onset !== undefined) watcher.onsets.push(data.onset);
      else watcher.ticks.push([data.tick, wall() - data.tick * 1000]);
    };
    audio.createMediaStreamSource(video.srcObject).connect(node);
    // The page's own video plays the sound; this is only there so that the ears run.
    const silence = new window.GainNode(audio, { gain: 0 });
    node.connect(silence);
    silence.connect(audio.destination);
  };

  /** Forgets what was seen and heard so far. */
  window.forgetWatched = () => {
    watcher.frames.length = watcher.onsets.length = watcher.ticks.length = 0;
  };

  /** `inbound-rtp` of the present connection, by kind. */
  window.inboundStats = async () => {
    const found = {};
    for (const entry of (await peers.at(-1).getStats()).values()) {
      if (entry.type === 'inbound-rtp') found[entry.kind] = { ...entry };
    }
    return found;
  };
})();
