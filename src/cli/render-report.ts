import type { DhError } from '../errors.js';
import type { RenderEvent, RenderProgress, RenderResult } from '../render/render-events.js';
import { mb } from '../render/disk-space.js';
import { ProgressLine, type Terminal } from './progress-line.js';

/** Clips between two lines where there is no terminal. */
const LINE_CLIPS = 100;
const PHASES = {
  check: 'looking at clips',
  prepare: 'preparing',
  write: 'writing',
  full: 'writing the whole',
} as const;

/** Shows a render: a bar in a terminal, lines elsewhere, or JSON. */
export class RenderReport {
  readonly #json: boolean;
  readonly #bar: ProgressLine | null;
  #prepared = -1;

  /** `terminal`: null when the output goes elsewhere. */
  constructor({ json, terminal }: { json: boolean; terminal: Terminal | null }) {
    this.#json = json;
    this.#bar = json || terminal === null ? null : new ProgressLine(terminal);
  }

  tell(event: RenderEvent): void {
    if (this.#json) return print(event);
    switch (event.event) {
      case 'plan': {
        const bad = event.bad > 0 ? `, ${event.bad} left out` : '';
        this.#line(
          `${event.clips} clips${bad}, about ${Math.round(event.aboutS)} s; needs ${mb(event.neededBytes)}, free ${mb(event.freeBytes)}`,
        );
        break;
      }
      case 'total': {
        const done = event.partsDone > 0 ? `, ${event.partsDone} of them done` : '';
        this.#line(`total ${Math.round(event.totalS)} s in ${event.parts} part${event.parts === 1 ? '' : 's'}${done}`);
        break;
      }
      case 'part':
        this.#line(`part ${event.number}/${event.parts} written`);
        break;
      case 'note':
        this.#line(event.message);
        break;
      case 'progress':
        this.#progress(event);
        break;
    }
  }

  done(result: RenderResult | null): void {
    this.#bar?.close();
    if (result === null) return;
    if (this.#json) return print({ event: 'done', ...result });
    const { totalS, tookS, parts, output, bad, damaged, peakRssBytes } = result;
    for (const { name, reason } of bad) process.stderr.write(`left out ${JSON.stringify(name)}: ${reason}\n`);
    for (const { name, reason } of damaged) process.stderr.write(`${JSON.stringify(name)}: ${reason}\n`);
    process.stdout.write(
      `${output}: ${totalS.toFixed(1)} s in ${parts.length} part${parts.length === 1 ? '' : 's'}, ${(totalS / tookS).toFixed(1)} × real time, ${mb(peakRssBytes)} of memory at most\n`,
    );
  }

  failed(error: DhError): void {
    this.#bar?.close();
    if (this.#json) print({ event: 'error', error });
  }

  #progress(progress: RenderProgress): void {
    const { phase, clipsDone, clips } = progress;
    if (this.#bar) {
      this.#bar.show(progress.share, whatOf(progress));
      return;
    }
    if (phase !== 'prepare') return;
    const step = clipsDone === clips ? clips : Math.floor(clipsDone / LINE_CLIPS) * LINE_CLIPS;
    if (step === 0 || step <= this.#prepared) return;
    this.#prepared = step;
    const left = progress.leftS === null ? '' : `, ${Math.ceil(progress.leftS)} s left`;
    this.#line(`prepared ${clipsDone}/${clips}${left}, ${mb(progress.rssBytes)}`);
  }

  #line(text: string): void {
    if (this.#bar) this.#bar.print(text);
    else process.stderr.write(`${text}\n`);
  }
}

function whatOf({ phase, clipsDone, clips, partsDone, parts, leftS, speed, rssBytes }: RenderProgress): string {
  const counts = phase === 'write' ? `part ${Math.min(partsDone + 1, parts)}/${parts}` : `${clipsDone}/${clips}`;
  return [
    `${PHASES[phase]} ${counts}`,
    ...(leftS === null ? [] : [`${Math.ceil(leftS)} s left`]),
    ...(speed > 0 ? [`${speed.toFixed(1)} × real time`] : []),
    mb(rssBytes),
  ].join('  ');
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
