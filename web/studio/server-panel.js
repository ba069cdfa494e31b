import { batched, byId, create, setText } from './dom.js';
import { bytesText, numberText } from './format.js';

const MOST_ROWS = 60;
const STEPS = {
  trim: 'caches are emptied',
  'lower-idle-quality': 'idle pictures are made cheaper',
  refuse: 'new sessions and viewers are refused',
  'end-heaviest': 'the heaviest session was ended',
  restart: 'a process is being replaced',
};

/** The alerts in words, and what holds memory as a table. */
export class ServerPanel {
  #alerts = null;
  #memory = null;
  #render = batched(() => this.#show());

  constructor() {
    byId('registry').addEventListener('toggle', () => this.#render());
  }

  /** The answer of `GET /alerts`. */
  alerts({ active = [] }) {
    this.#alerts = active;
    this.#render();
  }

  /** The answer of `GET /memory`. */
  memory(answer) {
    this.#memory = answer;
    this.#render();
  }

  #show() {
    this.#showAlerts();
    if (this.#memory) this.#showMemory(this.#memory);
  }

  #showAlerts() {
    const list = byId('alerts');
    const alerts = this.#alerts ?? [];
    const key = JSON.stringify(alerts.map(({ id, severity, message, advice }) => [id, severity, message, advice]));
    // Aloud they are said once, by the log; here their figures follow.
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    list.replaceChildren(
      ...alerts.map(({ severity, message, advice, raisedAtMs }) => {
        const since = Number.isFinite(raisedAtMs) ? new Date(raisedAtMs).toLocaleTimeString([], { hour12: false }) : '';
        const head = create('strong', {}, severity === 'critical' ? 'Critical' : 'Warning');
        const words = create('span', {}, head, ` ${message ?? ''}`);
        const what = create('span', { className: 'advice' }, advice ?? '');
        return create('li', { className: severity }, words, what, create('time', {}, since && `since ${since}`));
      }),
    );
    byId('no-alerts').hidden = alerts.length > 0 || this.#alerts === null;
  }

  #showMemory(answer) {
    const { level, step, rssBytes, limitBytes, baseBytes, accountedBytes, unaccountedBytes } = answer;
    const { processes = [], loans = [] } = answer;
    byId('registry').hidden = false;
    const share = limitBytes > 0 ? ` (${numberText((100 * rssBytes) / limitBytes, 0)} %)` : '';
    const parts = [
      `${bytesText(rssBytes)} of ${bytesText(limitBytes)}${share}`,
      `base ${bytesText(baseBytes)}`,
      `registered ${bytesText(accountedBytes)}`,
      `in no register ${bytesText(unaccountedBytes)}`,
    ];
    for (const { process, bytes } of loans) parts.push(`${bytesText(bytes)} lent to ${process}`);
    if (level && level !== 'normal') parts.push(`level ${level}${step ? `: ${STEPS[step] ?? step}` : ''}`);
    const meter = byId('memory-share');
    meter.hidden = !(limitBytes > 0);
    meter.value = limitBytes > 0 ? Math.min(1, rssBytes / limitBytes) : 0;
    const line = byId('memory-line');
    setText(line, parts.join(' · '));
    line.dataset.level = level ?? '';
    if (byId('registry').open) this.#showRegistry(processes);
  }

  #showRegistry(processes) {
    const rows = processes
      .flatMap(({ name: process, entries }) => (entries ?? []).map((entry) => ({ process, ...entry })))
      .sort((a, b) => b.bytes - a.bytes)
      .slice(0, MOST_ROWS)
      .map(({ owner, name, process, bytes, limitBytes, items, hits = 0, misses = 0, evictions = 0 }) => [
        owner,
        name,
        process,
        bytesText(bytes),
        Number.isFinite(limitBytes) ? bytesText(limitBytes) : '',
        numberText(items, 0),
        hits + misses > 0 ? `${numberText((100 * hits) / (hits + misses), 0)} %` : '',
        evictions > 0 ? numberText(evictions, 0) : '',
      ]);
    fillTable(byId('registry-rows'), rows, 3);
  }
}

/** Puts texts into the rows of a table, reusing its cells; from column `numbers` on they are numbers. */
export function fillTable(body, rows, numbers) {
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((texts, i) => {
    const row = body.rows[i] ?? body.insertRow();
    texts.forEach((text, j) => {
      const cell = row.cells[j] ?? row.insertCell();
      if (j >= numbers) cell.className = 'number';
      setText(cell, text);
    });
  });
}
