import { Gauge, Registry } from 'prom-client';
import type { ServerContext } from './context.js';

/** The figures in Prometheus' text format (exposition format 0.0.4). */
export async function renderMetrics({ stats }: ServerContext): Promise<string> {
  const registry = new Registry();
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `dh_live_${name}`, help, labelNames, registers: [registry] });
  const { uptimeS, processes, sessions, stages } = await stats.server();

  gauge('uptime_seconds', 'Time since the server started.').set(uptimeS);
  gauge('sessions', 'Sessions that exist.').set(sessions.length);
  const rss = gauge('process_resident_memory_bytes', 'Resident memory by process.', ['process']);
  const cpu = gauge('process_cpu_ratio', 'Cores in use by process.', ['process']);
  for (const { name, rssBytes, cpuPercent } of processes) {
    rss.set({ process: name }, rssBytes);
    cpu.set({ process: name }, cpuPercent / 100);
  }
  const restarts = gauge('stage_restarts_total', 'Replacements of a stage process.', ['stage']);
  for (const { index, restarts: count } of stages) restarts.set({ stage: String(index) }, count);

  const labels = ['session'];
  const fps = gauge('session_frames_per_second', 'Pictures per second, over the last seconds.', labels);
  const skipped = gauge('session_frames_skipped_total', 'Pictures that were skipped.', labels);
  const processing = gauge('session_frame_processing_seconds', 'Time to make a picture.', ['session', 'stat']);
  const queue = gauge('session_audio_queue_chunks', 'Chunks of 40 ms that wait.', labels);
  const drops = gauge('session_audio_queue_dropped_total', 'Chunks that were dropped.', labels);
  const viewers = gauge('session_viewers', 'Connected viewers.', labels);
  for (const one of sessions) {
    const label = { session: one.id };
    fps.set(label, one.fps);
    skipped.set(label, one.skippedFrames);
    queue.set(label, one.queue.length);
    drops.set(label, one.queue.drops);
    viewers.set(label, one.viewers);
    for (const [stat, ms] of Object.entries(one.processingMs)) processing.set({ ...label, stat }, ms / 1000);
  }
  return registry.metrics();
}
