import { basename } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;

/** What the command line asks of a benchmark, with `--json` beside `options`. A wrong option ends it: see `usage`. */
export function benchOptions<const O extends Options>(
  options: O,
): ReturnType<typeof parseArgs<{ options: O & { json: { type: 'boolean' } } }>>['values'] {
  try {
    return parseArgs({ options: { ...options, json: { type: 'boolean' } } }).values;
  } catch (error) {
    return usage((error as Error).message.split('\n')[0] ?? '');
  }
}

/** A number above 0 from the command line. */
export function positive(name: string, text: string): number {
  const value = Number(text);
  return value > 0 && Number.isFinite(value) ? value : usage(`--${name} is a number above 0, not "${text}"`);
}

/** A whole number above 0 from the command line. */
export function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  return value > 0 && Number.isSafeInteger(value) ? value : usage(`--${name} is a whole number above 0, not "${text}"`);
}

/** Says what is wrong with the command line in one line, and ends the process with exit code 2. */
export function usage(message: string): never {
  const file = process.argv[1] ?? '';
  const name = basename(file, '.ts') === 'main' ? 'soak' : `bench:${basename(file, '.ts')}`;
  console.error(`${name}: ${message}`);
  process.exit(2);
}
