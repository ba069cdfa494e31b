import { Command, Option } from 'commander';
import { presetNames } from '../config/load.js';
import type { SayFlags } from './say-run.js';

export function sayCommand(): Command {
  return new Command('say')
    .description('Say a text, or the sound of a file, into an MP4.')
    .argument('[text]', 'what to say')
    .option('-o, --output <file>', 'the video', 'out.mp4')
    .option('--audio <file>', 'a sound or video file to speak instead of a text')
    .option('--voice <id>', 'a voice of GET /api/v1/voices')
    .option('--language <tag>', 'language of the text, as in "de"; otherwise it is found out')
    .option('--avatar <name>', 'whose face')
    .addOption(new Option('--preset <name>', 'size of the picture').choices(presetNames()))
    .option('--json', 'print one JSON object at the end, no progress')
    .addHelpText('after', '\nExample:\n  dh-live say "Hello, I am here." -o hello.mp4')
    .action(async (text: string | undefined, flags: SayFlags) => {
      // Only here: the server does without what this loads.
      const { say } = await import('./say-run.js');
      await say(text, flags);
    });
}
