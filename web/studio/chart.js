import { serverUrl } from '../base.js';
import { create } from './dom.js';

let library = null;

/** uPlot, loaded with the first chart that has something to show. */
function loadLibrary() {
  library ??= (async () => {
    document.head.append(create('link', { rel: 'stylesheet', href: serverUrl('vendor/uplot/uPlot.min.css') }));
    return (await import(serverUrl('vendor/uplot/uPlot.esm.js'))).default;
  })();
  return library;
}

/**
 * A chart over time. `series`: `{name, colour, dash?, fill?, axis?}` with the name of a CSS colour variable; `fill` areas are
 * drawn in order, so what is behind comes first. `axis: 'right'` has a scale of its own.
 */
export class Chart {
  #host;
  #options;
  #UPlot = null;
  #plot = null;
  #resize = null;
  #series = [];
  #data = null;
  #loading = false;
  #failed = false;

  /** `format` of the values, `least`: the scale goes up to this at least; `right` the same for the second scale. */
  constructor(host, options) {
    this.#host = host;
    this.#options = { height: 132, least: 1, ...options };
  }

  /** Shows `columns` over `times` (seconds), one for each of `series`. */
  show(series, times, columns) {
    if (this.#failed || times.length === 0) return;
    this.#data = [times, ...columns];
    const same = series.length === this.#series.length && series.every((one, i) => one.name === this.#series[i].name);
    this.#series = series;
    if (this.#plot && same) return this.#plot.setData(this.#data);
    if (this.#plot) return this.#build();
    if (!this.#loading) void this.#load();
  }

  close() {
    this.#resize?.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
    this.#failed = true;
  }

  async #load() {
    this.#loading = true;
    try {
      this.#UPlot = await loadLibrary();
      if (this.#failed) return;
      this.#host.hidden = false;
      this.#build();
      this.#resize = new ResizeObserver(() => {
        const width = this.#width();
        if (this.#plot && this.#plot.width !== width) this.#plot.setSize({ width, height: this.#options.height });
      });
      this.#resize.observe(this.#host);
      // Colours are drawn, not styled: they follow when the system changes between light and dark.
      matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#plot?.redraw(false));
    } catch {
      // The figures are there without the curve.
      this.#host.hidden = true;
      this.#failed = true;
    }
  }

  #build() {
    this.#plot?.destroy();
    const { height, format, least, right } = this.#options;
    const style = globalThis.getComputedStyle(this.#host);
    const colour = (name) => () => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour('--quiet'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui',
    };
    const upTo = (most) => (_plot, _low, high) => [0, Math.max(most, (high ?? 0) * 1.1)];
    const y = (show) => ({ ...axis, size: 56, values: (_plot, list) => list.map(show) });
    const axes = [{ ...axis, size: 24, space: 70, values: (_plot, times) => times.map(clock).map(once) }, y(format)];
    const scales = { y: { range: upTo(least) } };
    if (right) {
      axes.push({ ...y(right.format), side: 1, scale: 'right', grid: { show: false }, size: 44 });
      scales.right = { range: upTo(right.least) };
    }
    const series = this.#series.map(({ name, colour: variable, dash, fill, axis: side }) => ({
      label: name,
      stroke: colour(variable),
      width: dash ? 1.5 : fill ? 1 : 2,
      points: { show: false },
      spanGaps: true,
      ...(dash ? { dash } : {}),
      ...(fill ? { fill: colour(variable) } : {}),
      ...(side === 'right' ? { scale: 'right' } : {}),
    }));
    this.#plot = new this.#UPlot(
      {
        width: this.#width(),
        height,
        padding: [8, right ? 0 : 8, 0, 0],
        legend: { show: true, live: false },
        cursor: { show: false },
        scales,
        axes,
        series: [{}, ...series],
      },
      this.#data,
      this.#host,
    );
  }

  #width() {
    return Math.max(160, this.#host.clientWidth);
  }
}

/**
 * Columns that add up, as areas: each becomes the sum of itself and those below it, the topmost first. A row in which
 * nothing is known stays a gap.
 */
export function stack(columns) {
  const sums = [];
  let below = null;
  for (const column of columns) {
    const previous = below;
    below = column.map((value, i) => {
      const under = previous?.[i] ?? null;
      return value === null && under === null ? null : (value ?? 0) + (under ?? 0);
    });
    sums.unshift(below);
  }
  return sums;
}

/** A label that is not the one before it: of few seconds there are several lines a second. */
function once(label, i, labels) {
  return label === labels[i - 1] ? '' : label;
}

function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
}
