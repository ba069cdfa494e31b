// Runs in the page under test: notes every picture that its video shows and how loud its sound is.
// `readTimeCode` is put into the page before this file.
/* global readTimeCode, OffscreenCanvas */

/** The first video of the page, also inside custom elements. */
function findVideo(root = document) {
  const direct = root.querySelector('video');
  if (direct) return direct;
  for (const element of root.querySelectorAll('*')) {
    const inner = element.shadowRoot && findVideo(element.shadowRoot);
    if (inner) return inner;
  }
  return null;
}

window.probeReady = () => {
  const video = findVideo();
  return Boolean(video && video.videoWidth > 0 && video.srcObject);
};

/** `mouth`: where the mouth is, as parts of the picture. */
window.startProbe = async (mouth) => {
  const video = findVideo();
  const probe = { frames: [], sound: [] };
  window.probe = probe;
  const canvas = new OffscreenCanvas(640, 360);
  const { width, height } = canvas;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const x0 = Math.round(mouth.x * width);
  const y0 = Math.round(mouth.y * height);
  const w = Math.round(mouth.width * width);
  const h = Math.round(mouth.height * height);
  const onFrame = (now) => {
    context.drawImage(video, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    let dark = 0;
    for (let y = y0; y < y0 + h; y++) {
      for (let x = x0; x < x0 + w; x++) {
        const i = (y * width + x) * 4;
        if (0.3 * data[i] + 0.6 * data[i + 1] + 0.1 * data[i + 2] < 60) dark += 1;
      }
    }
    const n = readTimeCode(data, width, height);
    probe.frames.push({ n, atMs: performance.timeOrigin + now, dark: dark / (w * h) });
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);

  const audio = new AudioContext({ sampleRate: 48_000, latencyHint: 'interactive' });
  const worklet = `registerProcessor('loudness', class extends AudioWorkletProcessor {
    #sum = 0;
    #count = 0;
    process([[channel]]) {
      for (const v of channel ?? new Float32Array(128)) this.#sum += v * v;
      this.#count += 128;
      if (this.#count >= 480) {
        this.port.postMessage({ time: currentTime + 128 / sampleRate, rms: Math.sqrt(this.#sum / this.#count) });
        this.#sum = this.#count = 0;
      }
      return true;
    }
  });`;
  await audio.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: 'text/javascript' })));
  const node = new AudioWorkletNode(audio, 'loudness');
  // The smallest distance between the two clocks is the one without waiting in it.
  let offset = Number.POSITIVE_INFINITY;
  node.port.onmessage = ({ data }) => {
    offset = Math.min(offset, performance.timeOrigin + performance.now() - data.time * 1000);
    probe.sound.push({ atMs: offset + data.time * 1000, rms: data.rms });
  };
  // A page that reconnects shows a new stream in the same element.
  let source = null;
  let heard = null;
  const follow = () => {
    if (video.srcObject && video.srcObject !== heard && video.srcObject.getAudioTracks().length > 0) {
      heard = video.srcObject;
      source?.disconnect();
      source = audio.createMediaStreamSource(heard);
      source.connect(node);
    }
  };
  node.connect(audio.destination);
  follow();
  setInterval(follow, 100);
  await audio.resume();
};
