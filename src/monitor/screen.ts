import asciichart from 'asciichart';
import { clockText } from '../durations.js';
import type { Sample, SessionSample } from './sample.js';
import { slopeText } from './summary.js';
import { cut, mb, pad, wrap } from './text.js';
import type { Slope } from '../guard/trend.js';

/** Everything that the screen shows. */
export interface ScreenView {
  subject: string;
  sample: Sample;
  history: ChartHistory;
  intervalMs: number;
  watchedMs: number;
  slope: Slope | null;
  /** The last thing that went wrong; null: nothing. */
  notice: string | null;
}

export interface ScreenSize {
  columns: number;
  rows: number;
  colours: boolean;
}

const SERIES = [36, 32, 35, 34, 33];
const LABEL_WIDTH = 11;
/** Between a label and the curve; asciichart puts the whole label into the first of them. */
const AXIS_CELLS = 3;
const MOST_POINTS = 400;

/** The last values of the whole and of each process, for the chart: a fixed number of them. */
export class ChartHistory {
  readonly #rows: { total: number; limit: number | null; byName: Map<string, number> }[] = [];

  add({ rssBytes, limitBytes, processes }: Sample): void {
    const byName = new Map(processes.map((one) => [one.name, one.rssBytes]));
    this.#rows.push({ total: rssBytes, limit: limitBytes, byName });
    if (this.#rows.length > MOST_POINTS) this.#rows.shift();
  }

  /** The last `points` of each series in MB; a process that was not there has 0. */
  series(points: number, names: readonly string[]): { total: number[]; limit: number[] | null; processes: number[][] } {
    const rows = this.#rows.slice(-points);
    const limit = rows.map((row) => (row.limit ?? 0) / 1e6);
    return {
      total: rows.map(({ total }) => total / 1e6),
      limit: limit.some((value) => value === 0) ? null : limit,
      processes: names.map((name) => rows.map(({ byName }) => (byName.get(name) ?? 0) / 1e6)),
    };
  }
}

/** Draws the whole screen: at most `rows` lines of at most `columns` cells. */
export function renderScreen(view: ScreenView, { columns, rows, colours }: ScreenSize): string[] {
  const paint = painter(colours);
  const alerts = alertLines(view, columns, paint);
  const head = headLines(view, columns, paint);
  const processes = processTable(view.sample, paint);
  const sessions = sessionTable(view.sample.sessions, paint);
  const foot = [paint(90, 'Ctrl+C ends and prints the summary')];
  // Alerts come first when there is little room, the chart and the registry share what is left.
  let room = rows - head.length - foot.length;
  const take = (lines: string[], most: number): string[] => {
    const part = lines.slice(0, Math.max(0, Math.min(most, room)));
    room -= part.length;
    return part;
  };
  const shownAlerts = take(alerts, 9);
  const shownProcesses = take(processes, 9);
  const shownSessions = take(sessions, 7);
  const chartRows = Math.min(18, Math.max(0, Math.floor(room * 0.6)));
  const chart = chartRows < 4 ? [] : take(chartLines(view, columns, chartRows - 1, paint), chartRows);
  const owners = take(ownerTable(view.sample, columns, paint), room);
  return [...head, ...chart, ...shownAlerts, ...shownProcesses, ...shownSessions, ...owners, ...foot]
    .slice(0, rows)
    .map((line) => cut(line, columns));
}

type Paint = (code: number, text: string) => string;

function painter(colours: boolean): Paint {
  return (code, text) => (colours && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text);
}

function headLines({ subject, sample, watchedMs, slope, notice }: ScreenView, columns: number, paint: Paint): string[] {
  const { rssBytes, limitBytes, level, step, uptimeMs } = sample;
  const up = uptimeMs === null ? '' : `  up ${clockText(uptimeMs)}`;
  const state = level === null ? '' : `  ${paint(levelColour(level), `● ${level}${step === null ? '' : `, ${step}`}`)}`;
  const first = `${paint(1, 'dh-live')} ${subject}${up}  watched ${clockText(watchedMs)}${state}`;
  const used = `${mb(rssBytes)}${limitBytes === null ? ' MB' : ` of ${mb(limitBytes)} MB`}`;
  const line = `${limitBytes === null ? '' : `${bar(rssBytes / limitBytes, columns, paint)} `}${paint(1, used)}  slope ${slopeText(slope)}`;
  return notice === null ? [first, line] : [first, line, paint(31, notice)];
}

function bar(share: number, columns: number, paint: Paint): string {
  const cells = Math.max(10, Math.min(30, Math.floor(columns / 4)));
  const full = Math.min(cells, Math.round(Math.max(0, share) * cells));
  return paint(share >= 0.95 ? 31 : share >= 0.8 ? 33 : 32, '█'.repeat(full)) + paint(90, '░'.repeat(cells - full));
}

function chartLines(
  { sample, history, intervalMs }: ScreenView,
  columns: number,
  height: number,
  paint: Paint,
): string[] {
  const names = sample.processes.map(({ name }) => name).slice(0, SERIES.length);
  const points = Math.max(2, columns - LABEL_WIDTH - 4);
  const { total, limit, processes } = history.series(points, names);
  const lines: number[][] = [...processes, total];
  const colourOf = [...names.map((_, i) => SERIES[i] ?? 37), 37];
  const top = Math.max(...total);
  const limitMb = limit?.at(-1) ?? null;
  // The limit is part of the picture from the moment that it is near; far above it would press everything flat.
  const shown = limit !== null && limitMb !== null && top > 0.4 * limitMb;
  if (shown) {
    lines.push(limit);
    colourOf.push(31);
  }
  const plain = paint(37, 'x') === 'x';
  const max = Math.max(10, shown ? Math.max(top, ...limit) : top * 1.1);
  const text = asciichart.plot(lines, {
    height: Math.max(2, height - 1),
    min: 0,
    max,
    offset: AXIS_CELLS,
    format: (value) => value.toFixed(0).padStart(LABEL_WIDTH),
    ...(plain ? {} : { colors: colourOf.map((code) => `\u001b[${code}m`) }),
  });
  const legend = [
    ...names.map((name, i) => paint(SERIES[i] ?? 37, `━ ${name}`)),
    paint(37, '━ all'),
    limitMb === null ? '' : shown ? paint(31, '━ limit') : paint(90, `limit ${limitMb.toFixed(0)} MB is far above`),
  ];
  const span = clockText((total.length - 1) * intervalMs);
  return [...text.split('\n').slice(0, height), `${paint(90, pad(`MB, ${span}`, -LABEL_WIDTH))}  ${legend.join('  ')}`];
}

function alertLines({ sample }: ScreenView, columns: number, paint: Paint): string[] {
  const lines: string[] = [];
  for (const { severity, message, advice } of sample.alerts) {
    const [first = '', ...rest] = wrap(message, Math.max(20, columns - 2));
    lines.push(paint(severity === 'critical' ? 31 : 33, `! ${first}`), ...rest.map((line) => `  ${line}`));
    lines.push(
      ...wrap(advice, Math.max(20, columns - 4)).map((line, i) => paint(90, `${i === 0 ? '→ ' : '  '}${line}`)),
    );
  }
  return lines;
}

function processTable({ processes }: Sample, paint: Paint): string[] {
  const known = processes.some(({ baseBytes }) => baseBytes !== null);
  const extra = (values: string[]): string => (known ? values.map((value) => pad(value, -13)).join('') : '');
  const rows = processes.map((one) => {
    const of = (bytes: number | null): string => (bytes === null ? '–' : mb(bytes));
    const parts = extra([of(one.baseBytes), of(one.accountedBytes), of(one.unaccountedBytes)]);
    const cpu = one.cpuPercent === null ? '–' : `${one.cpuPercent.toFixed(0)} %`;
    const level =
      one.level === null ? '' : paint(levelColour(one.level), `  ${one.level}${one.step ? ` ${one.step}` : ''}`);
    return `${pad(one.name, 14)}${pad(String(one.pid), -8)}${pad(mb(one.rssBytes), -10)}${parts}${pad(cpu, -8)}${level}`;
  });
  const title = `${pad('process', 14)}${pad('pid', -8)}${pad('MB', -10)}${extra(['base', 'registered', 'unaccounted'])}${pad('CPU', -8)}`;
  return rows.length === 0 ? [] : [paint(90, title), ...rows];
}

function sessionTable(sessions: readonly SessionSample[], paint: Paint): string[] {
  if (sessions.length === 0) return [];
  const row = (values: string[]): string =>
    values.map((value, i) => pad(value, i < 2 ? (i === 0 ? 14 : 10) : -10)).join('');
  const title = row(['session', 'state', 'fps', 'p50 ms', 'p99 ms', 'queue', 'drops', 'skipped', 'viewers']);
  return [
    paint(90, title),
    ...sessions.map((one) =>
      row([
        one.id,
        one.state,
        one.fps.toFixed(1),
        one.processingMsP50.toFixed(1),
        one.processingMsP99.toFixed(1),
        `${one.queueChunks}/${one.queueCapacity}`,
        String(one.drops),
        String(one.skippedFrames),
        String(one.viewers),
      ]),
    ),
  ];
}

function ownerTable({ owners }: Sample, columns: number, paint: Paint): string[] {
  if (owners.length === 0) return [];
  const wide = Math.max(12, Math.min(28, Math.floor((columns - 42) / 2)));
  const row = (values: string[]): string =>
    values.map((value, i) => pad(value, [wide, wide, 10, -10, -10, -9][i] ?? -10)).join('');
  return [
    paint(90, row(['owner', 'holds', 'process', 'MB', 'limit', 'hits'])),
    ...owners.map((one) => {
      const asked = one.hits + one.misses;
      const hits = asked === 0 ? '' : `${((100 * one.hits) / asked).toFixed(0)} %`;
      return row([
        one.owner,
        one.name,
        one.process,
        mb(one.bytes),
        one.limitBytes === null ? '' : mb(one.limitBytes),
        hits,
      ]);
    }),
  ];
}

function levelColour(level: string): number {
  return level === 'hard' ? 31 : level === 'soft' ? 33 : 32;
}
