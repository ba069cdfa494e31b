/** What files that hold their own sound have at which byte, and FFmpeg's demuxer for them. */
const DEMUXERS: readonly (readonly [at: number, bytes: string, demuxer: string])[] = [
  [0, 'riff\u002e\u0091\u00cf\u0011', 'w64'],
  [0, '.snd', 'au'],
  [0, 'caff', 'caf'],
  [0, 'fLaC', 'flac'],
  [0, 'OggS', 'ogg'],
  [0, '#!AMR', 'amr'],
  [0, '\u001aE\u00df\u00a3', 'matroska'],
  [4, 'ftyp', 'mov'],
  [8, 'WAVE', 'wav'],
  [8, 'AIFF', 'aiff'],
  [8, 'AIFC', 'aiff'],
];

/**
 * The demuxer of a file by its signature; null: FFmpeg has to guess. Its guess looks at the sound, too, and takes some
 * tones in a WAV for an MPEG transport stream.
 */
export function demuxerOf(head: Uint8Array): string | null {
  const start = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 16)).toString('latin1');
  const found = DEMUXERS.find(([at, bytes]) => start.startsWith(bytes, at));
  if (found === undefined) return null;
  return found[0] < 8 || /^(RIFF|RF64|BW64|FORM)/.test(start) ? found[2] : null;
}

/** First bytes of things that people upload by mistake, and what to call them. */
const SIGNATURES: readonly (readonly [prefix: string, name: string])[] = [
  ['%PDF', 'a PDF document'],
  ['PK\u0003\u0004', 'a ZIP archive or an office document'],
  ['\u001f\u008b', 'a gzip archive'],
  ['Rar!', 'a RAR archive'],
  ['7z\u00bc\u00af', 'a 7z archive'],
  ['\u0089PNG', 'a PNG picture'],
  ['\u00ff\u00d8\u00ff', 'a JPEG picture'],
  ['GIF8', 'a GIF picture'],
  ['\u007fELF', 'a program'],
  ['MZ', 'a program'],
];

/**
 * Says what a file is that no demuxer accepted, for the error message.
 * @param head Its first bytes; some hundred are enough.
 */
export function describeBytes(head: Uint8Array): string {
  if (head.length === 0) return 'an empty file';
  const start = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 16)).toString('latin1');
  if (/^RIFF....WEBP/s.test(start)) return 'a WebP picture';
  if (/^RIFF....AVI /s.test(start)) return 'an AVI film';
  for (const [prefix, name] of SIGNATURES) if (start.startsWith(prefix)) return name;
  if (head.every((byte) => byte === 0)) return 'a file of zeros';
  if (isText(head)) return /^\s*<(!doctype|html|\?xml|svg)/i.test(start) ? 'a web page or XML' : 'text';
  if (
    /^(RIFF|ID3|fLaC|OggS|FORM)/.test(start) ||
    start.slice(4, 8) === 'ftyp' ||
    start.slice(1, 4) === 'E\u00df\u00a3'
  ) {
    return 'a damaged or cut off sound file';
  }
  return 'unknown data';
}

/** Whether the bytes are UTF-8 without control characters; a character that the end cuts off is allowed. */
function isText(bytes: Uint8Array): boolean {
  if (bytes.some((byte) => byte < 9 || (byte > 13 && byte < 32))) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
