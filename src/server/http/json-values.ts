const [QUOTE, BACKSLASH, COMMA, BRACKET, BRACE] = [...'"\\,[{'].map((letter) => letter.charCodeAt(0));

/**
 * About how many values a JSON text (UTF-8) would make, without making them: brackets and commas outside of strings.
 * A few megabytes of `{},{},{}` would be hundreds of megabytes of objects. Counts no further than a bit over `most`.
 */
export function countValues(json: Buffer, most: number): number {
  let count = 0;
  for (let i = 0; i < json.length && count <= most; i++) {
    const byte = json[i];
    if (byte === COMMA || byte === BRACKET || byte === BRACE) count++;
    else if (byte === QUOTE) i = endOfString(json, i);
  }
  return count;
}

/** Position of the quote that ends a string, or the end of the text. */
function endOfString(json: Buffer, start: number): number {
  for (let end = json.indexOf('"', start + 1); end >= 0; end = json.indexOf('"', end + 1)) {
    let slashes = 0;
    while (json[end - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
  }
  return json.length;
}
