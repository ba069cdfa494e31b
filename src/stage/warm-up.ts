import { PeerConnection } from 'node-datachannel';
import { FramePool } from '../frames/frame-pool.js';
import { OpusEncoder } from '../stream/encoders/opus-encoder.js';
import { VideoEncoder } from '../stream/encoders/video-encoder.js';
import { CHUNK_SAMPLES } from '../units.js';

const SIZE = { width: 64, height: 64 };

/**
 * Uses the native libraries once, so that their code and their threads are there before the first viewer is: they belong
 * to the empty process, not to a session, and nobody waits for them later.
 */
export function warmUpLibraries(): void {
  const pool = new FramePool({ ...SIZE, size: 1 });
  const video = new VideoEncoder({ ...SIZE, bitrateKbps: 100 });
  const opus = new OpusEncoder({ bitrateKbps: 32 });
  const frame = pool.acquire();
  if (frame) {
    for (let n = 0; n < 3; n++) {
      video.encode(frame, n);
      opus.encode(new Int16Array(CHUNK_SAMPLES), n * CHUNK_SAMPLES);
    }
    pool.release(frame);
  }
  for (const part of [video, opus, pool]) part.close();
  new PeerConnection('', { iceServers: [], disableAutoNegotiation: true }).close();
}
