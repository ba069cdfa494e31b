import { serverUrl } from '../base.js';
import { create } from './dom.js';

const POINTS = 120;
const HEIGHT = 132;

/** Processing time per picture over the last two minutes; uPlot is loaded with the first point. */
export class FiguresChart {
  #host;
  #plot = null;
  #loading = false;
  #data = [[], [], []];
  #resize = null;

  constructor(host) {
    this.#host = host;
  }

  /** Adds one second of a session's figures. */
  add({ processingMs }) {
    if (!processingMs) return;
    const row = [Date.now() / 1000, processingMs.mean, processingMs.p99];
    this.#data.forEach((column, i) => {
      column.push(row[i]);
      if (column.length > POINTS) column.shift();
    });
    if (this.#plot) this.#plot.setData(this.#data);
    else if (!this.#loading) void this.#load();
  }

  clear() {
    this.#data = [[], [], []];
    this.#plot?.setData(this.#data);
  }

  close() {
    this.#resize?.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  async #load() {
    this.#loading = true;
    try {
      document.head.append(create('link', { rel: 'stylesheet', href: serverUrl('vendor/uplot/uPlot.min.css') }));
      const { default: UPlot } = await import(serverUrl('vendor/uplot/uPlot.esm.js'));
      this.#host.hidden = false;
      this.#plot = this.#create(UPlot);
      this.#resize = new ResizeObserver(() => this.#plot?.setSize({ width: this.#width(), height: HEIGHT }));
      this.#resize.observe(this.#host);
      // Colours are drawn, not styled: they follow when the system changes between light and dark.
      matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#plot?.redraw(false));
    } catch {
      // The figures are there without the curve.
      this.#host.hidden = true;
    }
  }

  #create(UPlot) {
    const colour = (name) => () => globalThis.getComputedStyle(this.#host).getPropertyValue(name).trim();
    const axis = {
      stroke: colour('--quiet'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui',
    };
    const value = (_plot, ms) => (ms === null || ms === undefined ? '–' : `${ms.toFixed(1)} ms`);
    return new UPlot(
      {
        width: this.#width(),
        height: HEIGHT,
        padding: [8, 8, 0, 0],
        legend: { show: true, live: false },
        cursor: { show: false },
        scales: { y: { range: (_plot, _low, high) => [0, Math.max(4, (high ?? 0) * 1.15)] } },
        axes: [
          { ...axis, size: 24, space: 70, values: (_plot, times) => times.map(clock) },
          { ...axis, size: 44, values: (_plot, list) => list.map((ms) => `${ms} ms`) },
        ],
        series: [
          {},
          { label: 'mean', stroke: colour('--accent'), width: 2, points: { show: false }, value },
          { label: '99 %', stroke: colour('--quiet'), width: 1, dash: [4, 3], points: { show: false }, value },
        ],
      },
      this.#data,
      this.#host,
    );
  }

  #width() {
    return Math.max(160, this.#host.clientWidth);
  }
}

function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
}
