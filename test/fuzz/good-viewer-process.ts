/**
 * The good viewer in a process of its own, so that what the attackers do to theirs is not seen here. Argument: the WHEP
 * address. Sends `WatchReport` each second.
 */
import { readFileSync } from 'node:fs';
import { Audio, PeerConnection, RtcpReceivingSession, Video } from 'node-datachannel';
import { StreamCount, type WatchReport } from './stream-count.js';

const [whepUrl = ''] = process.argv.slice(2);
const connection = new PeerConnection('good', { iceServers: [], disableAutoNegotiation: true });
const sound = new Audio('0', 'RecvOnly');
sound.addOpusCodec(111);
const picture = new Video('1', 'RecvOnly');
picture.addH264Codec(102, 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f');
const tracks = [connection.addTrack(sound), connection.addTrack(picture)];
for (const track of tracks) track.setMediaHandler(new RtcpReceivingSession());
const audio = new StreamCount(960);
const video = new StreamCount(3600);
tracks[0]?.onMessage((packet) => audio.add(packet));
tracks[1]?.onMessage((packet) => video.add(packet));
let state = 'new';
connection.onStateChange((now) => (state = now));

const offer = await new Promise<string>((resolve) => {
  connection.onGatheringStateChange((gathering) => {
    if (gathering === 'complete') resolve(connection.localDescription()?.sdp ?? '');
  });
  connection.setLocalDescription('offer');
});
const response = await fetch(whepUrl, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: offer });
if (!response.ok) throw new Error(`the good viewer got ${response.status}: ${await response.text()}`);
connection.setRemoteDescription(await response.text(), 'answer');

setInterval(() => {
  // Tracks that nothing holds are collected, and closed by that.
  if (!tracks.every((track) => track.isOpen())) state = 'without tracks';
  const report: WatchReport = { state, audio: audio.figures(), video: video.figures(), socketDrops: socketDrops() };
  process.send?.(report);
}, 1000);
process.once('disconnect', () => process.exit(0));

/** Datagrams that the kernel threw away because this process did not read in time; null where that is not told. */
function socketDrops(): number | null {
  const port = connection.getSelectedCandidatePair()?.local.port;
  if (port === undefined) return null;
  try {
    const lines = ['/proc/self/net/udp', '/proc/self/net/udp6'].flatMap((path) =>
      readFileSync(path, 'utf8').split('\n'),
    );
    const hex = port.toString(16).toUpperCase().padStart(4, '0');
    const drops = lines
      .filter((line) => line.trim().split(/\s+/)[1]?.endsWith(`:${hex}`))
      .map((line) => Number(line.trim().split(/\s+/).at(-1)));
    return drops.reduce((sum, each) => sum + each, 0);
  } catch {
    return null;
  }
}
