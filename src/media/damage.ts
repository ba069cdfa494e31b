import { open } from 'node:fs/promises';

/** Less than this is padding of an encoder, in seconds. */
const LEAST_S = 0.06;
/** And so is less than this share. */
const LEAST_SHARE = 0.01;
/** Chunks of a WAV that are looked at. */
const MAX_CHUNKS = 1_000;
/** Lengths from here on are what programs write that do not know the length yet. */
const UNKNOWN_BYTES = 0x7fff_0000;

/** What to say when a file holds clearly less than it promises; null otherwise. */
export function missingSound(statedS: number | null, heldS: number | null): string | null {
  if (statedS === null || heldS === null) return null;
  if (statedS - heldS <= Math.max(LEAST_S, statedS * LEAST_SHARE)) return null;
  return `cut off or damaged: holds ${heldS.toFixed(2)} of ${statedS.toFixed(2)} s`;
}

/** What to say when a decoder had to leave something out in the middle; null otherwise. */
export function damagedPlaces(count: number): string | null {
  if (count === 0) return null;
  return `damaged in ${count} place${count === 1 ? '' : 's'}`;
}

/** Where the sound of a WAV file begins and how long it is said to be; null when that is not said. */
export async function wavData(path: string): Promise<{ offset: number; bytes: number } | null> {
  const file = await open(path, 'r');
  try {
    const head = Buffer.alloc(24);
    let longBytes = 0;
    for (let at = 12, chunks = 0; chunks < MAX_CHUNKS; chunks++) {
      const { bytesRead } = await file.read(head, 0, head.length, at);
      if (bytesRead < 8) return null;
      const name = head.toString('latin1', 0, 4);
      const bytes = head.readUInt32LE(4);
      // RF64 (EBU Tech 3306): the lengths are in a chunk of their own.
      if (name === 'ds64' && bytesRead === head.length) longBytes = Number(head.readBigUInt64LE(16));
      if (name === 'data') {
        const stated = bytes === 0xffff_ffff && longBytes > 0 ? longBytes : bytes;
        return stated === 0 || (stated === bytes && bytes >= UNKNOWN_BYTES) ? null : { offset: at + 8, bytes: stated };
      }
      at += 8 + bytes + (bytes % 2);
    }
    return null;
  } finally {
    await file.close();
  }
}
