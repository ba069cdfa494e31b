import { Command, Option } from 'commander';
import { cp, mkdir, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { BakeService } from '../avatar/bake-service.js';
import { AVATAR_NAME, Catalogue } from '../avatar/catalogue.js';
import { loadPackage } from '../avatar/package.js';
import { REGIONS } from '../avatar/source.js';
import { avatarFolders, loadConfig, presetNames } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { DhError } from '../errors.js';
import { defaultCacheDir } from './cache-dir.js';

interface JsonFlag {
  json?: boolean;
}

export function avatarCommand(): Command {
  const command = new Command('avatar').description('List, check and import avatar packages.');
  command
    .command('list')
    .description('The avatars that sessions can show.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  dh-live avatar list --json')
    .action(async ({ json }: JsonFlag) => {
      const avatars = await new Catalogue(avatarFolders(config())).list();
      if (json) print(avatars);
      else
        for (const { name, title, builtIn } of avatars)
          console.log(`${name.padEnd(20)} ${title}${builtIn ? ' (built in)' : ''}`);
    });
  command
    .command('inspect')
    .description('Load an avatar and say what it consists of; every mistake is named with its file and field.')
    .argument('<name or folder>')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  dh-live avatar inspect ./avatars/my-avatar')
    .action(async (which: string, { json }: JsonFlag) => {
      const known = AVATAR_NAME.test(which);
      const source = known
        ? await new Catalogue(avatarFolders(config())).load(which)
        : await loadPackage(resolve(which));
      const { name, title, fingerprint, anchors, regions } = source;
      const poses = Object.fromEntries(REGIONS.map((region) => [region, regions[region]?.poses.length ?? 0]));
      if (json) print({ name, title, fingerprint, anchors, poses });
      else {
        console.log(`${name}: ${title}`);
        for (const region of REGIONS) console.log(`  ${region.padEnd(6)} ${poses[region]} pictures`);
      }
    });
  command
    .command('import')
    .description('Check a package folder and copy it to where the server finds it.')
    .argument('<folder>')
    .option('--name <name>', 'name to give it (otherwise that of the folder)')
    .addHelpText('after', '\nExample:\n  dh-live avatar import ~/Downloads/anna --name anna')
    .action(async (folder: string, { name = basename(resolve(folder)) }: { name?: string }) => {
      if (!AVATAR_NAME.test(name)) {
        throw new DhError('avatar_invalid', `"${name}" cannot be the name of an avatar.`, {
          hint: 'Use 1 to 64 letters, digits, "-" and "_": --name anna',
        });
      }
      await loadPackage(resolve(folder));
      const { avatarsDir } = config();
      const target = join(avatarsDir, name);
      await mkdir(avatarsDir, { recursive: true });
      try {
        await cp(resolve(folder), target, { recursive: true, errorOnExist: true, force: false });
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ERR_FS_CP_EEXIST') {
          throw new DhError('avatar_invalid', `There is an avatar "${name}" already.`, {
            hint: 'Choose another --name.',
          });
        }
        await rm(target, { recursive: true, force: true });
        throw error;
      }
      console.log(`imported as "${name}": dh-live serve, then POST /api/v1/sessions {"avatar":"${name}"}`);
    });
  command
    .command('draw')
    .description('Draw an avatar for a preset ahead of time, so that the first start is quick.')
    .argument('[name]', 'which avatar (otherwise the configured one)')
    .addOption(new Option('--preset <name>', 'the size').choices(presetNames()))
    .addHelpText('after', '\nExample:\n  dh-live avatar draw presenter --preset low')
    .action(async (name: string | undefined, { preset }: { preset?: string }) => {
      const settings = config(preset);
      const { avatar, cacheDir = defaultCacheDir(), session } = settings;
      const bakes = new BakeService({ cacheDir, avatarsDirs: avatarFolders(settings) });
      try {
        console.log(await bakes.bake(name ?? avatar, session));
      } finally {
        await bakes.close();
      }
    });
  return command;
}

function config(preset?: string): Config {
  return loadConfig({ preset, env: process.env });
}

function print(value: unknown): void {
  console.log(JSON.stringify(value, null, 2));
}
