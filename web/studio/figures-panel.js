import { serverStats } from './api.js';
import { FiguresChart } from './chart.js';
import { batched, byId, create, setText } from './dom.js';
import { bytesText, durationText, numberText } from './format.js';

const STATES = { idle: 'Idle', speaking: 'Speaking', starting: 'Starting', down: 'Restarting', gone: 'Not available' };

/** What the page shows of a session's state and figures, and of the server's processes. */
export class FiguresPanel {
  #info = null;
  #server = null;
  #received = null;
  #rows = new Map();
  #chart = new FiguresChart(byId('chart'));
  #timer = 0;
  #drops = { count: Infinity, atMs: -Infinity };
  #render = batched(() => this.#show());

  constructor() {
    this.#timer = setInterval(() => void this.#askServer(), 2000);
    void this.#askServer();
  }

  /** The session's figures, or null while there are none. */
  update(info) {
    this.#info = info;
    if (info) this.#chart.add(info);
    this.#render();
  }

  /** Statistics of the preview's own connection (`dh-stats`), or null. */
  received(stats) {
    this.#received = stats;
    this.#render();
  }

  /** Another session: its curve begins anew. */
  clear() {
    this.#chart.clear();
    this.#drops.count = Infinity;
    this.update(null);
  }

  close() {
    clearInterval(this.#timer);
    this.#chart.close();
  }

  async #askServer() {
    if (document.visibilityState === 'hidden') return;
    this.#server = await serverStats().catch(() => null);
    this.#render();
  }

  #show() {
    const info = this.#info;
    const state = info?.state ?? 'gone';
    const badge = byId('state');
    badge.dataset.state = state;
    setText(badge.firstElementChild, STATES[state] ?? state);
    this.#showUtterance(info?.utterance);
    const { processingMs: ms, queue, memory } = info ?? {};
    const server = this.#server?.memory;
    const preview = this.#received;
    this.#row('Pictures', info ? `${numberText(info.fps)} fps` : '–', info ? `${info.width} × ${info.height}` : '');
    this.#row(
      'Processing',
      ms ? `${numberText(ms.mean)} ms` : '–',
      ms ? `p99 ${numberText(ms.p99)}, max ${numberText(ms.max)}` : '',
    );
    this.#row(
      'Queue',
      queue ? `${queue.length} of ${queue.capacity}` : '–',
      queue ? `${queue.drops} dropped` : '',
      this.#droppedLately(queue),
    );
    this.#row('Viewers', info ? String(info.viewers) : '–', info?.preset ? `preset ${info.preset}` : '');
    this.#row(
      'Memory',
      bytesText(server?.rssBytes ?? memory?.rssBytes),
      server?.limitBytes ? `of ${bytesText(server.limitBytes)}` : '',
      server?.limitBytes > 0 && server.rssBytes > server.limitBytes * 0.85,
    );
    this.#row(
      'Preview',
      preview ? `${numberText(preview.fps, 0)} fps` : '–',
      preview && preview.roundTripMs !== null
        ? `${numberText(preview.roundTripMs, 0)} ms away, ${preview.packetsLost} lost`
        : '',
    );
    this.#showProcesses();
  }

  #showUtterance(utterance) {
    const text = utterance ? `${durationText(utterance.playedMs)}${utterance.text ? ` · ${utterance.text}` : ''}` : '';
    setText(byId('utterance'), text);
    byId('utterance').title = utterance?.text ?? '';
    byId('interrupt').disabled = !this.#info;
  }

  /** The count is since the start: only what was dropped in the last ten seconds is worth a colour. */
  #droppedLately(queue) {
    if (!queue) return false;
    if (queue.drops > this.#drops.count) this.#drops.atMs = performance.now();
    this.#drops.count = queue.drops;
    return performance.now() - this.#drops.atMs < 10_000;
  }

  #row(name, value, detail, alarming = false) {
    let row = this.#rows.get(name);
    if (!row) {
      row = { value: create('span', { className: 'value' }), detail: create('span', { className: 'detail' }) };
      row.cell = create('dd', {}, row.value, row.detail);
      byId('figures').append(create('div', {}, create('dt', {}, name), row.cell));
      this.#rows.set(name, row);
    }
    setText(row.value, value);
    setText(row.detail, detail);
    row.cell.classList.toggle('alarming', alarming);
  }

  #showProcesses() {
    const body = byId('processes');
    const list = this.#server?.processes ?? [];
    while (body.rows.length > list.length) body.deleteRow(-1);
    list.forEach((process, i) => {
      const row = body.rows[i] ?? body.insertRow();
      const cells = [
        process.name,
        String(process.pid),
        bytesText(process.rssBytes),
        `${numberText(process.cpuPercent, 0)} %`,
      ];
      cells.forEach((text, j) => {
        const cell = row.cells[j] ?? row.insertCell();
        if (j > 0) cell.className = 'number';
        setText(cell, text);
      });
    });
  }
}
