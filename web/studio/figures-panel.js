import { batched, byId, create, setText } from './dom.js';
import { bytesText, durationText, numberText } from './format.js';
import { fillTable } from './server-panel.js';

const CHUNK_MS = 40;
const STATES = {
  idle: 'Idle',
  speaking: 'Speaking',
  starting: 'Starting',
  down: 'Restarting',
  gone: 'Not available',
  locked: 'No access',
};

/** What the page shows of a session's state and figures, and of the server's processes. */
export class FiguresPanel {
  #info = null;
  #server = null;
  #received = null;
  #soundOnly = false;
  #locked = false;
  #rows = new Map();
  #drops = { count: Infinity, atMs: -Infinity };
  #render = batched(() => this.#show());

  /** The session's figures, or null while there are none. */
  update(info) {
    this.#info = info;
    this.#render();
  }

  /** Statistics of the preview's own connection (`dh-stats`), or null. */
  received(stats) {
    this.#received = stats;
    this.#render();
  }

  /** The preview gets no picture, because this browser has no codec for it. */
  soundOnly(soundOnly) {
    this.#soundOnly = soundOnly;
    this.#render();
  }

  /** The server shows nothing without a token. */
  refused() {
    this.#locked = true;
    this.#render();
  }

  /** Another session. */
  clear() {
    this.#drops.count = Infinity;
    this.update(null);
  }

  /** The answer of `GET /stats`. */
  server(stats) {
    this.#server = stats;
    this.#render();
  }

  #show() {
    const info = this.#info;
    const state = this.#locked ? 'locked' : (info?.state ?? 'gone');
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
      'Sound buffer',
      queue ? `${queue.length * CHUNK_MS} of ${queue.capacity * CHUNK_MS} ms` : '–',
      queue ? (queue.drops > 0 ? `${queue.drops * CHUNK_MS} ms of live sound lost` : 'full while speaking') : '',
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
      this.#soundOnly ? 'sound only' : preview ? `${numberText(preview.fps, 0)} fps` : '–',
      preview && preview.roundTripMs !== null
        ? `${numberText(preview.roundTripMs, 0)} ms away, ${preview.packetsLost} lost`
        : '',
    );
    this.#showProcesses();
  }

  #showUtterance(utterance) {
    // A session that is down although its stage runs says why.
    const refusal = this.#info?.refusal;
    const text = refusal
      ? [refusal.message, refusal.hint].filter(Boolean).join(' ')
      : utterance
        ? `${durationText(utterance.playedMs)}${utterance.text ? ` · ${utterance.text}` : ''}`
        : '';
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
    const rows = (this.#server?.processes ?? []).map((process) => [
      process.name,
      String(process.pid),
      bytesText(process.rssBytes),
      `${numberText(process.cpuPercent, 0)} %`,
    ]);
    fillTable(byId('processes'), rows, 1);
  }
}
