import type { Registry } from 'prom-client';
import type { Heartbeat, StageSessionStats } from '../../stage/protocol.js';
import type { ServerStats } from '../server-stats.js';
import type { Session } from '../session.js';
import { FollowingCounter, FreshGauge } from './families.js';

type Snapshot = Awaited<ReturnType<ServerStats['server']>>;

const LABELS = ['session'];
/** Counts of a viewer, by the metric that sums them up over the viewers of a session. */
const VIEWER_COUNTS = {
  packetsSent: ['session_rtp_packets_sent_total', 'RTP packets sent to the viewers of a session.'],
  bytesSent: ['session_rtp_sent_bytes_total', 'RTP payload sent to the viewers of a session.'],
  nacks: ['session_rtp_packets_nacked_total', 'Packets that viewers asked for again.'],
  retransmitted: ['session_rtp_packets_retransmitted_total', 'Packets that were sent again.'],
  plis: ['session_rtcp_plis_total', 'Keyframes that viewers asked for (picture loss indications).'],
  droppedPictures: ['session_viewer_frames_dropped_total', 'Pictures that viewers did not get, or not whole.'],
  malformed: ['session_rtcp_packets_malformed_total', 'RTCP packets of viewers that were malformed.'],
} as const;

/** What happens in the sessions: figures of the moment at each scrape, counts as the heartbeats bring them. */
export class SessionMetrics {
  readonly #gauges;
  readonly #counters;
  readonly #ofViewers: [keyof typeof VIEWER_COUNTS, FollowingCounter][];
  readonly #utterances: FollowingCounter;
  readonly #warnings: FollowingCounter;

  constructor(register: Registry) {
    const gauge = (name: string, help: string, labels = LABELS) => new FreshGauge(register, name, help, labels);
    const counter = (name: string, help: string, labels = LABELS) => new FollowingCounter(register, name, help, labels);
    this.#gauges = {
      sessions: gauge('sessions', 'Sessions by state.', ['state']),
      fps: gauge('session_frames_per_second', 'Pictures per second, over the last seconds.'),
      target: gauge('session_target_frames_per_second', 'Pictures per second that the present state calls for.'),
      processing: gauge('session_frame_processing_seconds', 'Time to make a picture, of the last 1000.', [
        'session',
        'stat',
      ]),
      queue: gauge('session_audio_queue_chunks', 'Chunks of 40 ms that wait.'),
      queueCapacity: gauge('session_audio_queue_capacity_chunks', 'Most chunks of 40 ms that may wait.'),
      waiting: gauge('session_utterances_waiting', 'Utterances that wait for their turn.'),
      pool: gauge('session_frame_pool_frames_in_use', 'Picture buffers that are in use.'),
      viewers: gauge('session_viewers', 'Connected viewers.'),
      roundTrip: gauge('session_viewer_round_trip_seconds', 'Round trip time, over the viewers.', ['session', 'stat']),
      loss: gauge('session_viewer_loss_ratio', 'Share of packets that viewers report lost.', ['session', 'stat']),
    };
    this.#counters = {
      frames: counter('session_frames_total', 'Frame times that have passed, 25 a second.'),
      skipped: counter('session_frames_skipped_total', 'Pictures that were skipped because they would have been late.'),
      drops: counter('session_audio_chunks_dropped_total', 'Chunks of 40 ms of live sound that were dropped.'),
      misses: counter('session_frame_pool_misses_total', 'Pictures left out because no buffer was free.'),
    };
    this.#ofViewers = Object.entries(VIEWER_COUNTS).map(([field, [name, help]]) => [
      field as keyof typeof VIEWER_COUNTS,
      counter(name, help),
    ]);
    this.#utterances = counter('session_utterances_total', 'Utterances by what became of them.', [
      'session',
      'outcome',
    ]);
    this.#warnings = counter('session_warnings_total', 'Warnings of a session by code.', ['session', 'code']);
  }

  /** Counts what a session tells, until it is closed. */
  watch(session: Session): void {
    const label = { session: session.id };
    for (const outcome of ['started', 'ended', 'interrupted']) this.#utterances.add({ ...label, outcome }, 0);
    session.on('event', (name, data) => {
      if (name === 'warning') this.#warnings.add({ ...label, code: String(data['code']) });
      else if (name.startsWith('utterance.'))
        this.#utterances.add({ ...label, outcome: name.slice('utterance.'.length) });
    });
    session.once('closed', () => {
      const counters = [...Object.values(this.#counters), ...this.#ofViewers.map(([, one]) => one)];
      for (const counter of [...counters, this.#utterances, this.#warnings]) counter.remove(label);
    });
  }

  /** Takes in what a stage has counted, and only of sessions that still are. */
  heard({ sessions }: Heartbeat, exists: (id: string) => boolean): void {
    for (const one of sessions) if (exists(one.id)) this.#follow(one);
  }

  refresh({ sessions }: Snapshot): void {
    const of = this.#gauges;
    for (const gauge of Object.values(of)) gauge.reset();
    for (const state of ['starting', 'idle', 'speaking', 'down']) {
      of.sessions.set({ state }, sessions.filter((session) => session.state === state).length);
    }
    for (const one of sessions) {
      const label = { session: one.id };
      of.fps.set(label, one.fps);
      of.target.set(label, one.targetFps);
      for (const [stat, ms] of Object.entries(one.processingMs)) of.processing.set({ ...label, stat }, ms / 1000);
      of.queue.set(label, one.queue.length);
      of.queueCapacity.set(label, one.queue.capacity);
      of.waiting.set(label, one.waiting);
      of.pool.set(label, one.pool?.outstanding);
      of.viewers.set(label, one.viewers);
      const trips = one.viewerStats.flatMap(({ rttMs }) => rttMs ?? []);
      const losses = one.viewerStats.flatMap(({ lossFraction }) => lossFraction ?? []);
      spread(of.roundTrip, label, trips.map((ms) => ms / 1000)); // prettier-ignore
      spread(of.loss, label, losses);
    }
  }

  #follow({ id, frames, skippedFrames, queue, pool, viewers }: StageSessionStats): void {
    const label = { session: id };
    this.#counters.frames.follow(label, frames);
    this.#counters.skipped.follow(label, skippedFrames);
    this.#counters.drops.follow(label, queue.drops);
    this.#counters.misses.follow(label, pool.misses);
    const present = new Set(viewers.map((viewer) => viewer.id));
    for (const [field, counter] of this.#ofViewers) {
      counter.add(label, 0); // there from the start, so that the first viewer is seen as a rise
      for (const viewer of viewers) counter.follow(label, viewer[field], viewer.id);
      counter.keepParts(label, present);
    }
  }
}

function spread(gauge: FreshGauge, label: { session: string }, values: number[]): void {
  if (values.length === 0) return;
  gauge.set({ ...label, stat: 'mean' }, values.reduce((sum, value) => sum + value, 0) / values.length);
  gauge.set({ ...label, stat: 'max' }, Math.max(...values));
}
