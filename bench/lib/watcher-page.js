// Runs in the page before its own scripts: notes when it asks for the stream, what its video shows, and when beeps sound.
// `readTimeCode` is put into the page before this file.
/* global readTimeCode, OffscreenCanvas, HTMLMediaElement, HTMLVideoElement */
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
    /** Blocks of sound that came in. */
    blocks: 0,
    beepsMs: [],
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

  /**
   * Hears beeps after 100 ms of quiet. The blocks of a track carry the time at which the page got them, on the page's
   * clock; Web Audio would put a buffer of unknown length in between.
   */
  const listen = async (track) => {
    const blocks = new window.MediaStreamTrackProcessor({ track }).readable.getReader();
    let quiet = 0;
    for (;;) {
      const { value: block, done } = await blocks.read();
      if (done) return;
      const { timestamp, sampleRate, numberOfFrames } = block;
      const samples = new Float32Array(numberOfFrames);
      block.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
      block.close();
      watcher.blocks += 1;
      for (let i = 0; i < samples.length; i++) {
        if (Math.abs(samples[i]) < 0.05) quiet += 1;
        else {
          const atMs = performance.timeOrigin + timestamp / 1000 + (i * 1000) / sampleRate;
          if (quiet > sampleRate / 10) watcher.beepsMs.push(atMs);
          quiet = 0;
        }
      }
    }
  };

  /** Turns the page's sound on, and begins to read time codes and to listen for beeps. */
  window.startWatching = () => {
    document.querySelector('dh-live-viewer').turnSoundOn();
    watcher.reading = true;
    void listen(video.srcObject.getAudioTracks()[0].clone());
  };

  /** Forgets what was seen and heard so far. */
  window.forgetWatched = () => {
    watcher.frames.length = watcher.beepsMs.length = 0;
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
