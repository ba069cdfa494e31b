// Finds the browsers of the end-to-end tests; installs Debian's when it may.
import { existsSync } from 'node:fs';
import { spawnSync } from 'node:child_process';

const CHROMIUM_PATHS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];
const FIREFOX_PATHS = [
  '/usr/bin/firefox-esr',
  '/usr/bin/firefox',
  '/Applications/Firefox.app/Contents/MacOS/firefox',
  'C:\\Program Files\\Mozilla Firefox\\firefox.exe',
];

const findFirst = (...paths) => paths.find((path) => path && existsSync(path));
const findChromium = () => findFirst(process.env.CHROMIUM, ...CHROMIUM_PATHS);
const findFirefox = () => findFirst(process.env.FIREFOX, ...FIREFOX_PATHS);
const succeeds = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Path of a Chromium or Chrome. Ends the process with what to do when there is none. */
export function ensureChromium() {
  const found = findChromium() ?? (install('chromium') ? findChromium() : undefined);
  if (found) return found;
  console.error('dh-live: the browser tests need Chromium or Chrome. Install one, or set CHROMIUM to its path.');
  process.exit(1);
}

/** Path of a Firefox; undefined when there is none and none can be installed: its test is left out then. */
export function ensureFirefox() {
  const found = findFirefox() ?? (install('firefox-esr') ? findFirefox() : undefined);
  if (!found) console.log('dh-live: no Firefox here, its test is left out. Install one, or set FIREFOX to its path.');
  return found;
}

/** Installs a package where apt-get knows it. False: it cannot be had that way. */
function install(name) {
  if (process.platform !== 'linux' || !succeeds('apt-get', ['--version'])) return false;
  const [command, ...before] = [...(process.getuid?.() === 0 ? [] : ['sudo', '-n']), 'apt-get', '-q'];
  console.log(`dh-live: installing ${name} for the browser tests (apt-get) …`);
  return (
    succeeds(command, [...before, 'update']) &&
    succeeds(command, [...before, 'install', '-y', '--no-install-recommends', name])
  );
}
