import { Audio, PeerConnection, type Track, Video } from 'node-datachannel';
import type { VideoCodec } from '../../src/stream/rtp.js';
import { RtpTrace } from './rtp-trace.js';

const H264 = 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f';
const RECEIVER_REPORT = 201;

/** A WHEP viewer without a browser that can send any packet it likes, encrypted as the server expects it. */
export class RawViewer {
  /** Everything that came, by stream. */
  readonly video = new RtpTrace();
  readonly audio = new RtpTrace();
  /** When its first picture was whole, on the clock of `performance.now`; null before. */
  firstPictureAt: number | null = null;
  /** Bytes of video that came, with headers. */
  videoBytes = 0;
  readonly #connection: PeerConnection;
  readonly #tracks: Track[];
  #timer: NodeJS.Timeout | null = null;

  private constructor(connection: PeerConnection, tracks: Track[]) {
    this.#connection = connection;
    this.#tracks = tracks;
    for (const track of tracks) {
      track.onMessage((packet) => {
        const type = packet[1]!;
        if (type >= 192 && type <= 223) return;
        if ((type & 0x7f) === 111) return this.audio.add(packet);
        this.video.add(packet);
        this.videoBytes += packet.length;
        // The marker bit is on the last packet of a picture (RFC 6184, section 5.1).
        if ((type & 0x80) !== 0) this.firstPictureAt ??= performance.now();
      });
    }
  }

  /** Connects through `exchange`, which takes the offer and gives the answer; resolves when packets can be sent. */
  static async open(
    exchange: (offer: string) => Promise<string>,
    { codec = 'h264' }: { codec?: VideoCodec } = {},
  ): Promise<RawViewer> {
    const connection = new PeerConnection('raw', { iceServers: [], disableAutoNegotiation: true });
    const tracks = (['audio', 'video'] as const).map((kind, i) => {
      // Sending as well, so that the library lets RTP of the tests through.
      const media = kind === 'audio' ? new Audio(String(i), 'SendRecv') : new Video(String(i), 'SendRecv');
      if (media instanceof Audio) media.addOpusCodec(111);
      else if (codec === 'vp8') media.addVP8Codec(96);
      else media.addH264Codec(102, H264);
      return connection.addTrack(media);
    });
    const offer = await new Promise<string>((resolve) => {
      connection.onGatheringStateChange((state) => {
        if (state === 'complete') resolve(connection.localDescription()?.sdp ?? '');
      });
      connection.setLocalDescription('offer');
    });
    const viewer = new RawViewer(connection, tracks);
    const open = new Promise<void>((resolve) => tracks.forEach((track) => track.onOpen(() => resolve())));
    connection.setRemoteDescription(await exchange(offer), 'answer');
    await open;
    return viewer;
  }

  /** Whether packets can be sent: not after the server has closed the connection. */
  get open(): boolean {
    return this.#tracks[0]!.isOpen();
  }

  /** Sends a whole RTCP or RTP packet, whatever is in it. */
  send(packet: Buffer): void {
    if (this.open) this.#tracks[0]!.sendMessageBinary(packet);
  }

  /** Sends a receiver report without blocks each second, so that it counts as present. */
  keepAlive(): void {
    const report = Buffer.from([0x80, RECEIVER_REPORT, 0, 1, 0, 0, 0, 1]);
    this.#timer = setInterval(() => this.send(report), 1000);
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const track of this.#tracks) track.close();
    this.#connection.close();
  }
}
