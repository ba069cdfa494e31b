/**
 * The page of the stream tests: a WHEP viewer that writes down what it shows and hears. `shown` has the frame number
 * read from the picture's blocks; times are milliseconds since 1970, on the clock of the machine.
 */
export const STREAM_PAGE = `<!doctype html><meta charset="utf-8"><title>stream test</title>
<video id="v" autoplay playsinline></video>
<script>
const wall = () => performance.timeOrigin + performance.now();
const onsetProcessor = \`
class Onset extends AudioWorkletProcessor {
  process(inputs) {
    const block = inputs[0][0];
    let sum = 0;
    if (block) for (const x of block) sum += x * x;
    const level = block ? Math.sqrt(sum / block.length) : 0;
    this.peak = Math.max(this.peak ?? 0, level);
    // Armed by silence, fired by a loud block: a tone that begins in the middle of a block passes through both levels.
    this.quiet = level > 0.01 ? 0 : (this.quiet ?? 0) + 1;
    if (this.quiet > 20) this.armed = true;
    if (this.armed && level > 0.05) {
      this.armed = false;
      this.port.postMessage({ at: currentTime });
    }
    if ((this.n = (this.n ?? 0) + 1) % 100 === 0) this.port.postMessage({ peak: this.peak });
    return true;
  }
}
registerProcessor('onset', Onset);\`;

async function watchStream(path, kinds, { without = [], ...config } = {}) {
  const pc = new RTCPeerConnection(config);
  const seen = { pc, shown: [], onsets: [], peak: 0, postMs: 0, answer: '', state: () => pc.connectionState };
  for (const kind of kinds) {
    const transceiver = pc.addTransceiver(kind, { direction: 'recvonly' });
    if (kind !== 'video' || without.length === 0) continue;
    const { codecs } = RTCRtpReceiver.getCapabilities(kind);
    transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => !without.includes(mimeType)));
  }
  const stream = new MediaStream();
  const video = document.getElementById('v');
  pc.ontrack = ({ track, receiver }) => {
    stream.addTrack(track);
    video.srcObject = stream;
    if (track.kind === 'audio') listen(track, seen);
  };
  if (kinds.includes('video')) look(video, seen);
  const offer = await pc.createOffer();
  await pc.setLocalDescription(offer);
  seen.postMs = wall();
  const response = await fetch(path, {
    method: 'POST', headers: { 'content-type': 'application/sdp' }, body: pc.localDescription.sdp,
  });
  seen.answer = await response.text();
  if (!response.ok) throw new Error(seen.answer);
  await pc.setRemoteDescription({ type: 'answer', sdp: seen.answer });
  return seen;
}

function look(video, seen) {
  const canvas = document.createElement('canvas');
  canvas.width = 16; canvas.height = 4;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const next = (now, meta) => {
    context.drawImage(video, 0, 0, video.videoWidth, video.videoHeight / 2, 0, 0, 16, 4);
    const { data } = context.getImageData(0, 2, 16, 1);
    let frame = 0;
    for (let i = 0; i < 16; i += 1) frame = frame * 2 + (data[i * 4] > 128 ? 1 : 0);
    seen.shown.push({ frame, atMs: performance.timeOrigin + meta.expectedDisplayTime, callMs: wall(), width: meta.width });
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
}

async function listen(track, seen) {
  const context = new AudioContext({ latencyHint: 'interactive', sampleRate: 48000 });
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([onsetProcessor], { type: 'text/javascript' })));
  const node = new AudioWorkletNode(context, 'onset');
  node.port.onmessage = ({ data }) => {
    if (data.peak !== undefined) seen.peak = data.peak;
    // When the block was worked on; the wait between that and this message is taken off.
    else seen.onsets.push(wall() - (context.currentTime - data.at) * 1000);
  };
  context.createMediaStreamSource(new MediaStream([track])).connect(node);
  await context.resume();
}

/** How the transport is encrypted, and which line of the offer receives what. */
async function transportOf({ pc }) {
  const stats = [...(await pc.getStats()).values()].find(({ type }) => type === 'transport');
  const directions = pc.getTransceivers().map(({ currentDirection }) => currentDirection);
  return { srtpCipher: stats.srtpCipher, dtlsState: stats.dtlsState, directions };
}

async function report(seen, kind) {
  for (const entry of (await seen.pc.getStats()).values()) {
    if (entry.type === 'inbound-rtp' && entry.kind === kind) return { ...entry };
  }
  return null;
}
</script>`;
