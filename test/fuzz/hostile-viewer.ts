import { Audio, PeerConnection, Video, type Track } from 'node-datachannel';

/** Payload types of RTCP (RFC 5761, section 4). */
const RTCP_FIRST = 200;
const RTCP_LAST = 223;
/** The library sends what it takes for RTCP on a receiving track from this length on. */
const LEAST_RTCP_BYTES = 8;
const CONNECT_LIMIT_MS = 10_000;

/** A viewer whose RTCP is what one likes: its packets go through a real SRTP session as they are. */
export class HostileViewer {
  readonly #connection: PeerConnection;
  readonly #tracks: Track[] = [];
  #connected = false;
  /** SSRCs of the server's streams, as far as they were seen. */
  readonly ssrcs = new Set<number>();

  /** `address`: of this machine, to come from. */
  constructor(address: string) {
    this.#connection = new PeerConnection('hostile', {
      iceServers: [],
      disableAutoNegotiation: true,
      bindAddress: address,
    });
    const sound = new Audio('0', 'RecvOnly');
    sound.addOpusCodec(111);
    const picture = new Video('1', 'RecvOnly');
    picture.addH264Codec(102, 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f');
    for (const media of [sound, picture]) {
      const track = this.#connection.addTrack(media);
      track.onMessage((packet) => {
        if (packet.length >= 12 && this.ssrcs.size < 2 && !isRtcp(packet)) this.ssrcs.add(packet.readUInt32BE(8));
      });
      this.#tracks.push(track);
    }
    this.#connection.onStateChange((state) => (this.#connected = state === 'connected'));
  }

  offer(): Promise<string> {
    return new Promise((resolve) => {
      this.#connection.onGatheringStateChange((state) => {
        if (state === 'complete') resolve(this.#connection.localDescription()?.sdp ?? '');
      });
      this.#connection.setLocalDescription('offer');
    });
  }

  /** Takes the answer; false when no connection comes of it. */
  async connect(answer: string): Promise<boolean> {
    this.#connection.setRemoteDescription(answer, 'answer');
    const end = performance.now() + CONNECT_LIMIT_MS;
    while (!(this.#connected && this.#tracks.every((track) => track.isOpen()))) {
      if (performance.now() > end) return false;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return true;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Sends one packet; false when the library takes it for nothing that can be sent. */
  send(packet: Buffer): boolean {
    if (packet.length < LEAST_RTCP_BYTES || !isRtcp(packet)) return false;
    try {
      return this.#tracks[0]?.sendMessageBinary(packet) ?? false;
    } catch {
      return false;
    }
  }

  close(): void {
    for (const track of this.#tracks) track.close();
    this.#connection.close();
  }
}

function isRtcp(packet: Buffer): boolean {
  const type = packet[1] ?? 0;
  return type >= RTCP_FIRST - 8 && type <= RTCP_LAST;
}
