import { PeerConnection, RtcpReceivingSession, Video } from 'node-datachannel';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { openPeerCount } from '../../src/stream/peer.js';
import { checkOffer } from '../../src/stream/sdp-offer.js';
import { StreamHub } from '../../src/stream/stream-hub.js';
import { freeUdpPort } from '../support/free-port.js';
import { until } from '../support/server.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** A hub whose viewer came, was connected or not, and left. Only a weak hold on it comes back. */
async function hubThatServed(connect: boolean): Promise<WeakRef<StreamHub>> {
  const hub = new StreamHub({
    originWallMs: Date.now(),
    requestIdr: () => undefined,
    udpPort: await freeUdpPort(),
    bindAddress: '127.0.0.1',
    maxViewers: 1,
    onViewersChanged: () => undefined,
  });
  const client = new PeerConnection('client', { iceServers: [], disableAutoNegotiation: true });
  const video = new Video('0', 'RecvOnly');
  video.addH264Codec(102, 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f');
  const track = client.addTrack(video);
  track.setMediaHandler(new RtcpReceivingSession());
  const offer = new Promise<string>((resolve) => {
    client.onGatheringStateChange((state) => {
      if (state === 'complete') resolve(client.localDescription()?.sdp ?? '');
    });
  });
  client.setLocalDescription('offer');
  const answer = await hub.addViewer('viewer', checkOffer(await offer));
  if (connect) {
    client.setRemoteDescription(answer, 'answer');
    await until(() => hub.viewerCount === 1);
  }
  hub.close();
  client.close();
  await until(() => openPeerCount() === 0);
  return new WeakRef(hub);
}

it.each([false, true])('a hub is freed after its viewers left (connected: %s)', async (connect) => {
  const hub = await hubThatServed(connect);
  await until(() => {
    collect();
    return hub.deref() === undefined;
  });
  expect(hub.deref()).toBeUndefined();
});
