const NAL_SPS = 7;
const NAL_PPS = 8;

/**
 * The SPS and PPS of an access unit as an Annex B byte stream (ITU-T H.264, 7.4.1 and annex B), copied: what a
 * container calls extradata. Throws RangeError when one of them is missing.
 */
export function parameterSets(unit: Uint8Array): Buffer {
  const parts: Uint8Array[] = [];
  const found = new Set<number>();
  let start = nextStartCode(unit, 0);
  while (start < unit.length) {
    const end = nextStartCode(unit, start + 3);
    const type = (unit[start + 3] ?? 0) & 0x1f;
    if (type === NAL_SPS || type === NAL_PPS) {
      found.add(type);
      // A start code of three bytes follows; the fourth byte of a longer one is a zero in front of it.
      parts.push(Buffer.of(0), unit.subarray(start, unit[end - 1] === 0 ? end - 1 : end));
    }
    start = end;
  }
  if (found.size < 2) throw new RangeError('the access unit carries no SPS and PPS');
  return Buffer.concat(parts);
}

/** Where the next 00 00 01 begins, from `offset` on; the length when there is none. */
function nextStartCode(data: Uint8Array, offset: number): number {
  for (let i = offset; i + 3 <= data.length; i++) {
    if (data[i] === 0 && data[i + 1] === 0 && data[i + 2] === 1) return i;
  }
  return data.length;
}
