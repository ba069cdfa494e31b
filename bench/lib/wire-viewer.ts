/** A WHEP viewer without a browser: sees each sound packet as it comes off the wire. */
import { Audio, PeerConnection, RtcpReceivingSession, Video, type Track } from 'node-datachannel';
import { RtpTrace } from '../../test/support/rtp-trace.js';
import { opusDecoder } from '../../test/support/decode-media.js';

/** One sound packet. */
export interface HeardPacket {
  /** When it came in, ms since 1970. */
  atMs: number;
  /** Loudness of its 20 ms, 0…1. */
  rms: number;
}

/** Louder than this is speech: coded silence is below 0.0001. */
export const SPEECH_RMS = 0.003;
const RTP_HEADER_BYTES = 12;

/** Receives sound and picture, and decodes the sound. */
export class WireViewer {
  readonly packets: HeardPacket[] = [];
  /** Everything that came, packet by packet. */
  readonly video = new RtpTrace();
  readonly audio = new RtpTrace();
  readonly #connection: PeerConnection;
  readonly #tracks: Track[] = [];
  readonly #decoder = opusDecoder();
  readonly #resource: string;

  private constructor(connection: PeerConnection, tracks: Track[], resource: string) {
    this.#connection = connection;
    this.#tracks = tracks;
    this.#resource = resource;
  }

  /** Connects to `http://…/whep/<session>`; resolves when the answer is in. Throws when the server refuses. */
  static async open(whepUrl: string): Promise<WireViewer> {
    const connection = new PeerConnection('wire', { iceServers: [], disableAutoNegotiation: true });
    const sound = new Audio('0', 'RecvOnly');
    sound.addOpusCodec(111);
    const picture = new Video('1', 'RecvOnly');
    picture.addH264Codec(102, 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f');
    const tracks = [connection.addTrack(sound), connection.addTrack(picture)];
    // Answers sender reports, so that the server knows that somebody is there.
    for (const track of tracks) track.setMediaHandler(new RtcpReceivingSession());
    const offer = await new Promise<string>((resolve) => {
      connection.onGatheringStateChange((state) => {
        if (state === 'complete') resolve(connection.localDescription()?.sdp ?? '');
      });
      connection.setLocalDescription('offer');
    });
    const response = await fetch(whepUrl, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: offer,
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${response.status}: ${answer}`);
    const viewer = new WireViewer(connection, tracks, new URL(response.headers.get('location') ?? '', whepUrl).href);
    tracks[0]?.onMessage((packet) => viewer.#hear(packet));
    tracks[1]?.onMessage((packet) => viewer.video.add(packet));
    connection.setRemoteDescription(answer, 'answer');
    return viewer;
  }

  /** Ends the connection and gives the place back. */
  async close(): Promise<void> {
    await fetch(this.#resource, { method: 'DELETE' });
    for (const track of this.#tracks) track.close();
    this.#connection.close();
    this.#decoder.close();
  }

  #hear(packet: Buffer): void {
    const atMs = performance.timeOrigin + performance.now();
    const payloadType = packet.readUInt8(1) & 0x7f;
    // RTCP comes the same way (RFC 5761, section 4).
    if (payloadType >= 64 && payloadType < 96) return;
    this.audio.add(packet);
    this.#decoder.decode(packet.subarray(RTP_HEADER_BYTES), (frame) => {
      const plane = frame.data?.[0];
      if (plane === undefined) return;
      const samples = new Int16Array(plane.buffer, plane.byteOffset, frame.nbSamples);
      let sum = 0;
      for (const sample of samples) sum += sample * sample;
      this.packets.push({ atMs, rms: Math.sqrt(sum / samples.length) / 32_768 });
    });
  }
}
