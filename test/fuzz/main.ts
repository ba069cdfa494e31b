/**
 * `npm run fuzz -- --for 10m`: attacks a server of its own with what no client should send, beside a viewer that must
 * not notice. Exit code 0 only when nothing crashed, restarted, hung, leaked or answered `internal`, and the viewer lost
 * nothing.
 *
 * `--seed 7` for the same steps, `--only http,ws,sdp,rtcp` for some kinds, `--only http --step 123` replays the step that
 * a fault names, `--limit 30s` is the longest that a call may take, `--url http://127.0.0.1:8010 --token …` attacks a
 * server that runs already. Alone and with a server of their own: `--only chaos` kills processes, `--only files` takes
 * file descriptors, `--only known` plays what once worked.
 */
import { setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { parseDuration } from '../../src/durations.js';
import { ATTACKS, fuzz, type AttackName } from './fuzz.js';
import { SCENARIOS, type ScenarioName } from './scenarios.js';
import type { Verdict } from './verdict.js';

const { values } = parsed();
const forMs = parseDuration(values.for, 's') ?? usage(`--for is a time such as 90s or 10m, not "${values.for}"`);
const limitMs = parseDuration(values.limit, 's') ?? usage(`--limit is a time such as 30s, not "${values.limit}"`);
const seed = wholeNumber('seed', values.seed);
const only = values.only.split(',').map((name) => name.trim());
const known = [...Object.keys(ATTACKS), ...Object.keys(SCENARIOS)];
for (const name of only) if (!known.includes(name)) usage(`--only knows ${known.join(', ')}; not "${name}"`);
if (values.step !== undefined && only.length !== 1) usage('--step needs --only with one kind');

// What is measured is the server, not how much CPU it is left.
setPriority(5);
const say = (line: string): void => console.log(line);
const verdict: Verdict = { figures: [], faults: [] };
const take = ({ figures, faults }: Verdict): void => {
  verdict.figures.push(...figures);
  verdict.faults.push(...faults);
};
for (const name of only) if (isScenario(name)) take(await SCENARIOS[name]({ forMs, seed, say }));
const attacks = only.filter((name): name is AttackName => Object.hasOwn(ATTACKS, name));
if (attacks.length > 0) {
  const step = values.step === undefined ? {} : { step: wholeNumber('step', values.step) };
  // Without a token, calls that must be refused would stop it.
  if (values.url !== undefined && values.token === undefined)
    usage('--url needs --token, that of a server to throw away');
  const at = values.url === undefined ? {} : { at: { url: values.url.replace(/\/$/, ''), token: values.token ?? '' } };
  take(await fuzz({ forMs, seed, limitMs, only: attacks, ...step, ...at, say }));
}
for (const line of verdict.figures) say(line);
for (const fault of verdict.faults) say(`FAULT ${fault}`);
say(verdict.faults.length === 0 ? 'withstood' : `${verdict.faults.length} faults`);
// Threads of the viewers' library must not keep it.
process.exit(verdict.faults.length === 0 ? 0 : 1);

function isScenario(name: string): name is ScenarioName {
  return Object.hasOwn(SCENARIOS, name);
}

function parsed() {
  try {
    return parseArgs({
      options: {
        for: { type: 'string', default: '10m' },
        seed: { type: 'string', default: String(Date.now() % 100_000) },
        only: { type: 'string', default: Object.keys(ATTACKS).join(',') },
        limit: { type: 'string', default: '30s' },
        step: { type: 'string' },
        url: { type: 'string' },
        token: { type: 'string' },
      },
    });
  } catch (error) {
    return usage((error as Error).message);
  }
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  return Number.isSafeInteger(value) && value >= 0 ? value : usage(`--${name} is a whole number, not "${text}"`);
}

function usage(message: string): never {
  console.error(`fuzz: ${message}`);
  process.exit(2);
}
