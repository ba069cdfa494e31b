import { setFlagsFromString } from 'node:v8';
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../durations.js';
import type { FrameRate } from '../render/frame-grid.js';
import { VIDEO_FORMATS } from '../render/output.js';
import { parseRate, parseSize, RATE_RULE, SIZE_RULE } from '../render/picture-settings.js';
import type { RenderFlags } from './render-run.js';

export function renderCommand(): Command {
  return new Command('render')
    .description('Turn any number of sound clips or lines of text into finished videos. A run that ended goes on.')
    .argument('<input>', 'a folder of sound files, a list (.csv, .json), or a text with one line a clip (.txt)')
    .requiredOption('-o, --output <folder>', 'where the videos go')
    .addOption(new Option('--image <file>', 'picture that is seen; without it and --avatar: black').conflicts('avatar'))
    .option('--avatar <name>', 'whose face speaks (25 pictures a second)')
    .option('--split <time>', 'longest part, cut at the borders of clips: 10m, 90s; a number alone: seconds', time)
    .option('--split-exact', 'cut exactly at that time instead')
    .addOption(
      new Option('--size <pixels>', 'width x height, both even')
        .argParser(size)
        .default({ width: 1280, height: 720 }, '1280x720'),
    )
    .addOption(
      new Option('--fps <number>', 'pictures a second: 25, 29.97, 30000/1001')
        .argParser(rate)
        .default({ num: 25, den: 1 }, '25'),
    )
    .addOption(new Option('--format <kind>', 'container of the videos').choices(VIDEO_FORMATS).default('mp4'))
    .addOption(
      new Option('--subtitles [kind]', 'where there is text: SRT files, text in the picture, or both')
        .choices(['srt', 'burn', 'both'])
        .preset('both'),
    )
    .option('--font <file>', 'font of text in the picture (.ttf, .otf)')
    .addOption(
      new Option('--gap <time>', 'silence between clips: 200ms, 1.5s; a number alone: milliseconds')
        .argParser(milliseconds)
        .default(0, 'none'),
    )
    .option('--voice <id>', 'voice of lines that name none')
    .option('--language <tag>', 'language of lines that name none; otherwise it is found out')
    .option('--full', 'write one file of the whole, too')
    .option('--project <id>', 'name under which work is kept; otherwise from the input')
    .option('--jobs <n>', 'clips that are prepared, and parts with an avatar that are made, at a time', count)
    .option('--skip-bad', 'leave out clips that cannot be used; exit code 2 then')
    .option('--fresh', 'start over, whatever an earlier run has done')
    .option('--keep-temp', 'keep the prepared sound')
    .option('--temp <folder>', 'folder of temporary files', 'temp')
    .option('--dry-run', 'only say what would be done')
    .option('--wait', 'wait while another process works on the same project or folder, instead of an error')
    .option('--json', 'print one JSON object a line')
    .addHelpText(
      'after',
      '\nExamples:\n  dh-live render clips/ -o out/ --image background.png --split 10m\n' +
        '  dh-live render script.txt -o out/ --avatar presenter --subtitles --gap 200ms',
    )
    .action(async (input: string, flags: RenderFlags) => {
      // Sound that passes through would let the young generation grow to 16 MB three times over: 50 MB for nothing.
      setFlagsFromString('--semi-space-growth-factor=1');
      // Only here: the server does without what this loads.
      const { runRender } = await import('./render-run.js');
      process.exitCode = await runRender(input, flags);
    });
}

function time(value: string): number {
  const ms = parseDuration(value, 's');
  if (ms === null || ms < 1000) throw new InvalidArgumentError('At least a second, as in 10m or 90s.');
  return ms;
}

function milliseconds(value: string): number {
  const ms = parseDuration(value, 'ms');
  if (ms === null) throw new InvalidArgumentError('As in 200ms or 1.5s.');
  return ms;
}

function size(value: string): { width: number; height: number } {
  const pixels = parseSize(value);
  if (pixels === null) throw new InvalidArgumentError(`${SIZE_RULE}.`);
  return pixels;
}

function rate(value: string): FrameRate {
  const pictures = parseRate(value);
  if (pictures === null) throw new InvalidArgumentError(`${RATE_RULE}.`);
  return pictures;
}

function count(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > 64) throw new InvalidArgumentError('A number from 1 to 64.');
  return number;
}
