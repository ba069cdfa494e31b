// Finds the browser of the end-to-end tests; installs Debian's when it may.
import { existsSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { run } from './prepare.mjs';

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

const find = () => [process.env.CHROMIUM, ...PLACES].find((path) => path && existsSync(path));
const has = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

/** Path of a Chromium or Chrome. Ends the process with what to do when there is none. */
export function ensureChromium() {
  const found = find();
  if (found) return found;
  if (process.platform === 'linux' && has('apt-get')) {
    const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
    console.log('dh-live: installing Chromium for the browser tests (apt-get) …');
    const apt = (...args) => {
      const [command, ...rest] = [...sudo, 'apt-get', '-q', ...args];
      run(command, rest, { quiet: true });
    };
    apt('update');
    apt('install', '-y', '--no-install-recommends', 'chromium');
    const installed = find();
    if (installed) return installed;
  }
  console.error('dh-live: the browser tests need Chromium or Chrome. Install one, or set CHROMIUM to its path.');
  process.exit(1);
}
