/** What a file really is, by its first bytes; names and declared types are often wrong. */

const ascii = (bytes, at, length) => String.fromCharCode(...bytes.subarray(at, at + length));

/**
 * The media type under which the server takes these bytes as they are, or null when it does not know their kind.
 * @param {Uint8Array} head the first 64 bytes or more
 */
export function serverAudioType(head) {
  const tag = ascii(head, 0, 4);
  if (tag === 'RIFF' && ascii(head, 8, 4) === 'WAVE') return 'audio/wav';
  if (tag === 'fLaC') return 'audio/flac';
  // Ogg may carry pictures or codecs that the server does not take: the first page names the codec.
  if (tag === 'OggS') return /OpusHead|vorbis|FLAC/.test(ascii(head, 28, 16)) ? 'audio/ogg' : null;
  if (tag.startsWith('ID3')) return 'audio/mpeg';
  // MPEG audio frame: sync, layer III or II, a valid bit rate and rate. Layer 0 would be AAC in ADTS.
  if (head[0] === 0xff && (head[1] & 0xe0) === 0xe0 && (head[1] & 0x06) !== 0 && head[2] >> 4 !== 15)
    return 'audio/mpeg';
  if (ascii(head, 4, 4) === 'ftyp' && /^(M4A|M4B)/.test(ascii(head, 8, 4))) return 'audio/mp4';
  return null;
}
