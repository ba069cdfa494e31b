import { Chart, stack } from './chart.js';
import { batched, byId, setText } from './dom.js';
import { bytesText, numberText } from './format.js';
import { TimeTable } from './time-table.js';

/** Owners that get a colour of their own; the smaller ones are drawn together. */
const MOST_OWNERS = 6;
/** Share of the limit from which its line is drawn. */
const NEAR_SHARE = 0.35;
const COLOURS = ['--s1', '--s2', '--s3', '--s4', '--s5', '--s6'];
const whole = (value) => numberText(value, 0);

/** Charts of the whole server over the last minutes, and of the pictures of the session on show. */
export class ChartsPanel {
  #memory = new TimeTable();
  #load = new TimeTable();
  #speed = new TimeTable();
  #owners = [];
  #single = true;
  #charts = {
    memory: new Chart(byId('chart-memory'), { height: 230, least: 1e8, format: bytesText }),
    speed: new Chart(byId('chart'), {
      least: 4,
      format: (ms) => `${ms} ms`,
      right: { least: 26, format: (fps) => whole(fps) },
    }),
    cpu: new Chart(byId('chart-cpu'), { least: 100, format: (percent) => `${whole(percent)} %` }),
    queue: new Chart(byId('chart-queue'), { least: 4, format: whole }),
    viewers: new Chart(byId('chart-viewers'), { least: 2, format: whole }),
  };
  #render = batched(() => this.#show());

  /** The answer of `GET /history`: the charts begin with it. */
  history({ columns, rows }) {
    const names = columns.map((name) => name);
    this.#memory.clear();
    this.#load.clear();
    if (this.#single) this.#speed.clear();
    for (const row of rows) {
      const at = (name) => row[names.indexOf(name)] ?? null;
      const seconds = at('atMs') / 1000;
      const [rss, accounted, unaccounted] = [at('rssBytes'), at('accountedBytes') ?? 0, at('unaccountedBytes') ?? 0];
      const base = rss === null ? null : Math.max(0, rss - accounted - Math.max(0, unaccounted));
      this.#memory.add(seconds, { limit: at('limitBytes'), base, registered: accounted, unaccounted });
      const cpu = at('cpuPercent');
      this.#load.add(seconds, { cpu, queue: at('queueChunks'), viewers: at('viewers') });
      if (this.#single) this.#speed.add(seconds, { fps: at('fpsLowest'), p99: at('processingMsP99') });
    }
    this.#render();
  }

  /** The answer of `GET /memory`. */
  memory({ atMs, rssBytes, limitBytes, accountedBytes, unaccountedBytes, processes = [] }) {
    const owners = {};
    for (const { owner, bytes } of processes.flatMap(({ entries }) => entries ?? [])) {
      owners[`owner ${owner}`] = (owners[`owner ${owner}`] ?? 0) + bytes;
    }
    const unaccounted = Math.max(0, unaccountedBytes ?? 0);
    const base = Math.max(0, rssBytes - (accountedBytes ?? 0) - unaccounted);
    this.#memory.add((atMs ?? Date.now()) / 1000, { limit: limitBytes, base, unaccounted, ...owners });
    this.#owners = Object.entries(owners)
      .sort(([, a], [, b]) => b - a)
      .map(([name]) => name)
      .slice(0, MOST_OWNERS)
      .sort();
    const label = `Memory: ${bytesText(rssBytes)} of ${bytesText(limitBytes)} are in use, ${bytesText(unaccounted)} of it are in no register`;
    byId('chart-memory').setAttribute('aria-label', label);
    this.#render();
  }

  /** The answer of `GET /stats`. `hasMemory`: the server tells what holds its memory; otherwise it is drawn by process. */
  stats({ processes = [], memory, sessions = [] }, hasMemory) {
    const now = Date.now() / 1000;
    const sum = (list, of) => list.reduce((total, one) => total + (of(one) ?? 0), 0);
    this.#single = sessions.length <= 1;
    this.#load.add(now, {
      cpu: sum(processes, ({ cpuPercent }) => cpuPercent),
      queue: sum(sessions, ({ queue }) => queue?.length),
      viewers: sum(sessions, ({ viewers }) => viewers),
    });
    if (!hasMemory) {
      const owners = Object.fromEntries(processes.map(({ name, rssBytes }) => [`owner ${name}`, rssBytes]));
      this.#memory.add(now, { limit: memory?.limitBytes, ...owners });
      this.#owners = Object.keys(owners).slice(0, MOST_OWNERS);
    }
    this.#render();
  }

  /** The figures of the session on show. */
  session({ fps, processingMs }) {
    if (!processingMs) return;
    this.#speed.add(Date.now() / 1000, { fps, mean: processingMs.mean, p99: processingMs.p99 });
    this.#render();
  }

  /** Another session: its curve begins anew. */
  clearSession() {
    this.#speed.clear();
  }

  close() {
    for (const chart of Object.values(this.#charts)) chart.close();
  }

  #show() {
    this.#showMemory();
    const speed = this.#speed;
    this.#charts.speed.show(
      [
        { name: 'mean', colour: '--accent' },
        { name: '99 %', colour: '--quiet', dash: [4, 3] },
        { name: 'pictures a second', colour: '--s4', axis: 'right' },
      ],
      speed.times,
      ['mean', 'p99', 'fps'].map((name) => speed.column(name)),
    );
    for (const [name, colour] of [
      ['cpu', '--s1'],
      ['queue', '--s2'],
      ['viewers', '--s4'],
    ]) {
      const title = { cpu: 'CPU', queue: 'chunks that wait', viewers: 'viewers' }[name];
      this.#charts[name].show([{ name: title, colour }], this.#load.times, [this.#load.column(name)]);
    }
  }

  #showMemory() {
    const table = this.#memory;
    const own = this.#owners;
    const rest = table.names.filter((name) => name.startsWith('owner ') && !own.includes(name));
    const others = table
      .column('registered')
      .map((value, i) => rest.reduce((sum, name) => add(sum, table.column(name)[i]), value));
    const layers = [
      { name: 'base', colour: '--s-base', data: table.column('base') },
      ...own.map((name, i) => ({ name: name.slice('owner '.length), colour: COLOURS[i], data: table.column(name) })),
      { name: 'others', colour: '--s-rest', data: others },
      { name: 'in no register', colour: '--s-unknown', data: table.column('unaccounted') },
    ].filter(({ data }) => data.some((value) => value !== null));
    const areas = stack(layers.map(({ data }) => data));
    const series = layers.reverse().map(({ name, colour }) => ({ name, colour, fill: true }));
    const limits = table.column('limit');
    // The limit is part of the picture from the moment that it is near; far above it would press everything flat.
    const most = (areas[0] ?? []).reduce((top, value) => Math.max(top, value ?? 0), 0);
    const far = most < NEAR_SHARE * (limits.at(-1) ?? Infinity);
    const known = limits.at(-1) ?? null;
    setText(byId('memory-title'), far && known ? `Memory by owner (limit ${bytesText(known)})` : 'Memory by owner');
    if (far) return this.#charts.memory.show(series, table.times, areas);
    const limit = { name: 'limit', colour: '--danger', dash: [6, 4] };
    this.#charts.memory.show([...series, limit], table.times, [...areas, limits]);
  }
}

function add(a, b) {
  return a === null && b === null ? null : (a ?? 0) + (b ?? 0);
}
