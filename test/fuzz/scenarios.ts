import { chaos } from './chaos.js';
import { fewFiles } from './few-files.js';
import { known } from './known.js';
import type { Verdict } from './verdict.js';

/** What has its own server and its own end: runs alone, when `--only` names it. */
export const SCENARIOS = {
  chaos,
  files: fewFiles,
  known,
} as const satisfies Record<string, (options: ScenarioOptions) => Promise<Verdict>>;
export type ScenarioName = keyof typeof SCENARIOS;

export interface ScenarioOptions {
  forMs: number;
  seed: number;
  say: (line: string) => void;
}
