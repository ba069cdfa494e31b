import { IDLE_QUALITIES, type IdleQuality } from '../config/schema.js';
import type { StageProcess } from './stage-process.js';

/** What of a stage is needed here. */
type CappedStage = Pick<StageProcess, 'ready' | 'api' | 'on'>;

/** The cap on idle pictures in all stages. Several may ask for one, each for its own reason: the lowest counts. */
export class IdleQualityCap {
  readonly #stages: readonly CappedStage[];
  readonly #wanted = new Map<string, IdleQuality>();
  #applied: IdleQuality = 'full';

  constructor(stages: readonly CappedStage[]) {
    this.#stages = stages;
    for (const stage of stages) {
      // A fresh process does not know.
      stage.on('up', () => {
        if (this.#applied !== 'full') this.#apply(stage);
      });
    }
  }

  get quality(): IdleQuality {
    return this.#applied;
  }

  /** `full` takes the reason's wish back. */
  set(reason: string, quality: IdleQuality): void {
    this.#wanted.set(reason, quality);
    const lowest = Math.max(...[...this.#wanted.values()].map((wanted) => IDLE_QUALITIES.indexOf(wanted)));
    const applied = IDLE_QUALITIES[lowest] ?? 'full';
    if (applied === this.#applied) return;
    this.#applied = applied;
    for (const stage of this.#stages) this.#apply(stage);
  }

  #apply(stage: CappedStage): void {
    // One that goes away meanwhile is told when it is back.
    if (stage.ready) void stage.api.capIdleQuality(this.#applied).catch(() => undefined);
  }
}
