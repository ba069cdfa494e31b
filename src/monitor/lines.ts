import { totalsOf, type Sample } from './sample.js';
import { mb } from './text.js';

/** One sample as one line for people and for grep: `name=value`, gaps left out. */
export function plainLine(sample: Sample): string {
  const totals = totalsOf(sample);
  const parts: [string, string | null][] = [
    ['rss', `${mb(sample.rssBytes)}MB`],
    ['limit', sample.limitBytes === null ? null : `${mb(sample.limitBytes)}MB`],
    ...sample.processes.map(({ name, rssBytes }): [string, string] => [name, `${mb(rssBytes)}MB`]),
    ['unaccounted', totals.unaccountedBytes === null ? null : `${mb(totals.unaccountedBytes)}MB`],
    ['cpu', totals.cpuPercent === null ? null : `${totals.cpuPercent.toFixed(0)}%`],
    ['fps', totals.fpsLowest?.toFixed(1) ?? null],
    ['p99', totals.processingMsP99 === null ? null : `${totals.processingMsP99.toFixed(1)}ms`],
    ['queue', text(totals.queueChunks)],
    ['drops', text(totals.drops)],
    ['skipped', text(totals.skippedFrames)],
    ['viewers', text(totals.viewers)],
    ['level', sample.level],
    ['step', sample.step],
    ['alerts', sample.alerts.length === 0 ? null : String(sample.alerts.length)],
  ];
  const fields = parts
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.replaceAll(/\s/g, '_')}=${value}`);
  return `${new Date(sample.atMs).toISOString()} ${fields.join(' ')}`;
}

/** One sample as an object of `--json`: bytes and milliseconds, as the API has them. */
export function jsonLine(sample: Sample): string {
  const { atMs, rssBytes, limitBytes, level, step, processes, sessions, alerts, owners } = sample;
  const largest = owners.slice(0, 20);
  const time = new Date(atMs).toISOString();
  const totals = totalsOf(sample);
  const body = {
    type: 'sample',
    time,
    rssBytes,
    limitBytes,
    level,
    step,
    ...totals,
    processes,
    sessions,
    owners: largest,
  };
  return JSON.stringify({ ...body, alerts });
}

const KINDS = ['control', 'stage', 'media', 'bake', 'render'] as const;

/** Columns of `--csv`: the same for every server, so that files can be joined. */
export const CSV_HEADER = [
  'time',
  'rss_mb',
  'limit_mb',
  ...KINDS.map((kind) => `${kind}_mb`),
  'other_mb',
  'accounted_mb',
  'unaccounted_mb',
  'cpu_percent',
  'fps_lowest',
  'processing_ms_p99',
  'queue_chunks',
  'drops',
  'skipped_frames',
  'viewers',
  'alerts',
].join(',');

/** One sample as a row under `CSV_HEADER`; what is not known is empty. */
export function csvRow(sample: Sample): string {
  const totals = totalsOf(sample);
  const bytes = (value: number | null): string => (value === null ? '' : (value / 1e6).toFixed(2));
  const byKind = new Map<string, number>();
  for (const { name, rssBytes } of sample.processes) {
    const kind = KINDS.find((one) => name === one || name.startsWith(`${one}-`)) ?? 'other';
    byKind.set(kind, (byKind.get(kind) ?? 0) + rssBytes);
  }
  return [
    new Date(sample.atMs).toISOString(),
    bytes(sample.rssBytes),
    bytes(sample.limitBytes),
    ...[...KINDS, 'other'].map((kind) => bytes(byKind.get(kind) ?? 0)),
    bytes(totals.accountedBytes),
    bytes(totals.unaccountedBytes),
    totals.cpuPercent?.toFixed(1) ?? '',
    totals.fpsLowest?.toFixed(2) ?? '',
    totals.processingMsP99?.toFixed(2) ?? '',
    text(totals.queueChunks) ?? '',
    text(totals.drops) ?? '',
    text(totals.skippedFrames) ?? '',
    text(totals.viewers) ?? '',
    String(sample.alerts.length),
  ].join(',');
}

function text(value: number | null): string | null {
  return value === null ? null : String(value);
}
