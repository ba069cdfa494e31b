/**
 * Renders clips of speech over a still picture into 10-minute parts, and the same with fewer clips: memory of all
 * processes, exactness, disk, speed. On a slice it is compared with a file a clip joined afterwards, and with a single
 * pass; then the avatar speaks. `--clips 2259` is the case that an older generator died of.
 */
import { fork, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packagePath } from '../src/entry.js';
import { FormatContext, Packet, FFmpegError } from 'node-av/lib';
import { AVMEDIA_TYPE_AUDIO, AVERROR_EOF } from 'node-av/constants';
import { load1m } from './lib/machine.js';
import { benchOptions, wholeNumber } from './lib/options.js';
import { makeBackground, makeClips } from './lib/render-clips.js';
import { report, type Targets } from './lib/report.js';

const values = benchOptions({
  clips: { type: 'string', default: '200' },
  slice: { type: 'string', default: '60' },
});
const count = wholeNumber('clips', values.clips);
const slice = Math.min(count, wholeNumber('slice', values.slice));
const SLICE_REPEATS = 3;
const AAC_FRAME = 1024;

await main();

async function main(): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'bench-render-'));
  const figures: Record<string, number> = { clips: count };
  try {
    const image = join(work, 'background.png');
    await makeBackground(image);
    await makeClips(join(work, 'all'), count);
    await makeClips(join(work, 'slice'), slice);

    console.log(`load ${load1m().toFixed(1)}; rendering ${count} clips`);
    const all = await render(work, 'all', ['--image', image, '--split', '10m', '--keep-temp']);
    Object.assign(figures, await exactness(join(work, 'out-all')));
    figures['videoS'] = all.totalS;
    figures['realTime'] = all.totalS / all.tookS;
    figures['peakRssMb'] = all.peakRssBytes / 1e6;
    figures['diskShare'] = all.peakDiskBytes / (all.outputBytes + all.preparedBytes);

    // The same at another number of clips.
    const other = count === 200 ? 50 : 200;
    await makeClips(join(work, 'other'), other);
    const few = await render(work, 'other', ['--image', image, '--split', '10m']);
    figures[`peakRssMbAt${other}`] = few.peakRssBytes / 1e6;
    figures['rssRatio'] = all.peakRssBytes / few.peakRssBytes;

    const ours: Run[] = [];
    const single: number[] = [];
    const joined: number[] = [];
    for (let i = 0; i < SLICE_REPEATS; i++) {
      ours.push(await render(work, 'slice', ['--image', image, '--split', '10m', '--fresh']));
      single.push(await peer('single', join(work, 'slice'), image, work));
      joined.push(await peer('joined', join(work, 'slice'), image, work));
    }
    const oursS = median(ours.map(({ insideS }) => insideS));
    figures['sliceOursS'] = oursS;
    figures['sliceOursWithStartS'] = median(ours.map(({ tookS }) => tookS));
    figures['sliceSinglePassS'] = median(single);
    figures['sliceClipByClipS'] = median(joined);
    figures['timesClipByClip'] = median(joined) / oursS;
    Object.assign(figures, await peerLengths(work));
    figures['timesSinglePass'] = median(single) / oursS;

    const avatar = await render(work, 'slice', [
      '--avatar',
      'presenter',
      '--split',
      '1m',
      '--project',
      'avatar',
      '-o',
      join(work, 'out-avatar'),
    ]);
    figures['avatarRealTime'] = avatar.totalS / avatar.tookS;
    figures['avatarPeakRssMb'] = avatar.peakRssBytes / 1e6;
    figures['load1m'] = load1m();
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const targets: Targets = {
    peakRssMb: '<= 300',
    rssRatio: '<= 1.1',
    lengthErrorSamples: `<= ${AAC_FRAME}`,
    lastClipErrorSamples: `<= ${AAC_FRAME}`,
    diskShare: '<= 1.3',
    timesClipByClip: '>= 5',
    timesSinglePass: '>= 1',
    avatarRealTime: '>= 4',
  };
  process.exitCode = report('render', figures, targets) ? 0 : 1;
}

interface Run {
  totalS: number;
  /** From the start of its process to its end. */
  tookS: number;
  /** What it says itself: without the start of its process, as the other ways are measured. */
  insideS: number;
  peakRssBytes: number;
  peakDiskBytes: number;
  outputBytes: number;
  preparedBytes: number;
}

/** Runs the command as a user would, and watches its processes and its folders from outside. */
async function render(work: string, name: string, flags: readonly string[]): Promise<Run> {
  const out = flags.includes('-o') ? flags[flags.indexOf('-o') + 1]! : join(work, `out-${name}`);
  const temp = join(work, `temp-${name}`);
  const args = [
    'render',
    join(work, name),
    '--temp',
    temp,
    '--json',
    ...(flags.includes('-o') ? [] : ['-o', out]),
    ...flags,
  ];
  const begin = performance.now();
  const child = spawn(process.execPath, [packagePath('dist/cli.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
  let peakRssBytes = 0;
  let peakDiskBytes = 0;
  let preparedBytes = 0;
  const rss = setInterval(() => (peakRssBytes = Math.max(peakRssBytes, rssOfTree(child.pid!))), 100);
  const disk = setInterval(() => {
    void Promise.all([bytesIn(temp), bytesIn(out)]).then(([prepared, output]) => {
      preparedBytes = Math.max(preparedBytes, prepared);
      peakDiskBytes = Math.max(peakDiskBytes, prepared + output);
    });
  }, 500);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearInterval(rss);
  clearInterval(disk);
  const tookS = (performance.now() - begin) / 1000;
  if (code !== 0) throw new Error(`render ended with ${code}: ${text.slice(-500)}`);
  const { totalS, tookS: insideS } = JSON.parse(text.trim().split('\n').at(-1)!) as { totalS: number; tookS: number };
  const outputBytes = await bytesIn(out);
  const left = await bytesIn(temp);
  preparedBytes = Math.max(preparedBytes, left);
  return {
    totalS,
    tookS,
    insideS,
    peakRssBytes,
    peakDiskBytes: Math.max(peakDiskBytes, left + outputBytes),
    outputBytes,
    preparedBytes,
  };
}

async function peer(kind: 'single' | 'joined', folder: string, image: string, temp: string): Promise<number> {
  const child = fork(packagePath('bench/lib/render-peer-process.ts'), [kind, folder, image, temp], {
    execArgv: ['--import', 'tsx'],
  });
  let tookS = Number.NaN;
  child.on('message', (seconds: number) => (tookS = seconds));
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`${kind} ended with ${code}`);
  return tookS;
}

/** Resident memory of a process and all its descendants. */
function rssOfTree(root: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const line = readFileSync(`/proc/${name}/stat`, 'latin1');
      parents.set(Number(name), Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has just ended.
    }
  }
  let sum = 0;
  for (const pid of parents.keys()) {
    let up: number | undefined = pid;
    while (up !== undefined && up !== root) up = parents.get(up);
    if (up !== root) continue;
    try {
      sum += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024;
    } catch {
      // It has just ended.
    }
  }
  return sum;
}

async function bytesIn(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (entry.isFile()) sum += (await stat(join(entry.parentPath, entry.name)).catch(() => null))?.size ?? 0;
  }
  return sum;
}

/** Adds up what the files hold, packet by packet, and compares it with the prepared sound. */
async function exactness(out: string): Promise<Record<string, number>> {
  interface Index {
    parts: { file: string; startSample: number }[];
    clips: { startSample: number; durationS: number; parts: { number: number; startS: number }[] }[];
  }
  const index = JSON.parse(await readFile(join(out, 'index.json'), 'utf8')) as Index;
  const exact = index.clips.reduce((sum, { durationS }) => sum + Math.round(durationS * 48_000), 0);
  const starts: number[] = [];
  let at = 0;
  for (const { file } of index.parts) {
    starts.push(at);
    at += soundSamples(join(out, file));
  }
  const last = index.clips.at(-1)!;
  const place = last.parts[0]!;
  const lastAt = starts[place.number - 1]! + place.startS * 48_000;
  return {
    parts: index.parts.length,
    lengthErrorSamples: Math.abs(at - exact),
    lastClipErrorSamples: Math.abs(lastAt - (exact - Math.round(last.durationS * 48_000))),
  };
}

/** Whether the two other ways made the whole, and how much each join has added. */
async function peerLengths(work: string): Promise<Record<string, number>> {
  const { clips } = JSON.parse(await readFile(join(work, 'out-slice', 'index.json'), 'utf8')) as {
    clips: { durationS: number }[];
  };
  const exact = clips.reduce((sum, { durationS }) => sum + Math.round(durationS * 48_000), 0);
  const single = soundSamples(join(work, 'single.mp4')) - exact;
  const joined = soundSamples(join(work, 'joined.mp4')) - exact;
  if (Math.abs(single) > AAC_FRAME || joined < 0) throw new Error('another way did not write all clips');
  return { joinedLateMs: joined / 48 };
}

/** Samples that a player plays of a file: its packets from time 0 on. */
function soundSamples(path: string): number {
  const format = new FormatContext();
  FFmpegError.throwIfError(format.openInputSync(path), path);
  FFmpegError.throwIfError(format.findStreamInfoSync(), path);
  const stream = format.streams.find(({ codecpar }) => codecpar.codecType === AVMEDIA_TYPE_AUDIO)!;
  const unit = (48_000 * stream.timeBase.num) / stream.timeBase.den;
  const packet = new Packet();
  packet.alloc();
  let end = 0;
  for (let status = format.readFrameSync(packet); status !== AVERROR_EOF; status = format.readFrameSync(packet)) {
    FFmpegError.throwIfError(status, path);
    if (packet.streamIndex === stream.index) end = Math.max(end, Number(packet.pts + packet.duration) * unit);
    packet.unref();
  }
  packet.free();
  format.closeInputSync();
  return Math.round(end);
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}
