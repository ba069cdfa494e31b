/** Where JSON text is wrong: line and column count from 1. */
export class JsonTextError extends Error {
  override readonly name = 'JsonTextError';
  readonly line: number;
  readonly column: number;

  constructor(reason: string, text: string, offset: number) {
    const { line, column } = placeOf(text, offset);
    super(reason);
    this.line = line;
    this.column = column;
  }
}

/** Line and column, from 1, of a place in a text. */
export interface Place {
  line: number;
  column: number;
}

/** JSON that was read, and where its keys stand. */
export interface JsonText {
  value: unknown;
  /** Where a key stands, or the value of a list's item; null when the text has no such path. */
  placeAt: (path: readonly (string | number)[]) => Place | null;
}

/** Deeper nesting than this is refused: a configuration has three levels, and so has what calls take. */
const MOST_DEPTH = 64;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /true|false|null/y;
const ESCAPE = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y;

/**
 * Reads JSON and keeps the place of every key, which `JSON.parse` does not tell. The value is what `JSON.parse` makes of it.
 *
 * @throws JsonTextError with line, column and a reason; also for a key that appears twice, and for `__proto__`.
 */
export function parseJsonText(text: string): JsonText {
  const scanner = new Scanner(text);
  scanner.document();
  return {
    value: JSON.parse(text),
    placeAt: (path) => {
      const offset = scanner.offsets.get(keyOf(path));
      return offset === undefined ? null : placeOf(text, offset);
    },
  };
}

/** Whether a value nests deeper than `parseJsonText` lets a text. */
export function nestsTooDeep(value: unknown, levels = MOST_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => nestsTooDeep(inner, levels - 1));
}

function keyOf(path: readonly (string | number)[]): string {
  return path.join('\0');
}

function placeOf(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}

/** Walks through the text as RFC 8259 has it; builds no values. */
class Scanner {
  readonly offsets = new Map<string, number>();
  readonly #text: string;
  readonly #path: (string | number)[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): void {
    this.#match(SPACE);
    this.#value();
    this.#match(SPACE);
    if (this.#at < this.#text.length) this.#fail('nothing may follow the end of the value');
  }

  #value(): void {
    switch (this.#text[this.#at]) {
      case '{':
        return this.#members('}', () => this.#member());
      case '[':
        return this.#members(']', (index) => this.#item(index));
      case '"':
        return void this.#string();
      case undefined:
      default:
        if (!this.#match(NUMBER) && !this.#match(WORD)) this.#fail(this.#unexpected('a value'));
    }
  }

  #members(end: '}' | ']', one: (index: number) => void): void {
    if (this.#path.length >= MOST_DEPTH) this.#fail(`it is nested deeper than ${MOST_DEPTH} levels`);
    this.#at += 1;
    this.#match(SPACE);
    if (this.#take(end)) return;
    for (let index = 0; ; index++) {
      one(index);
      this.#path.pop();
      this.#match(SPACE);
      if (this.#take(end)) return;
      const comma = this.#at;
      if (!this.#take(',')) this.#fail(this.#unexpected(`"," or "${end}"`));
      this.#match(SPACE);
      if (this.#text[this.#at] === end) this.#fail(`no comma may stand before "${end}"`, comma);
    }
  }

  #member(): void {
    const start = this.#at;
    if (this.#text[start] !== '"') this.#fail(this.#unexpected('a name in double quotes'));
    const name = this.#string();
    if (name === '__proto__') this.#fail('"__proto__" can be no name', start);
    this.#path.push(name);
    const key = keyOf(this.#path);
    if (this.offsets.has(key)) this.#fail(`"${name}" appears twice`, start);
    this.offsets.set(key, start);
    this.#match(SPACE);
    if (!this.#take(':')) this.#fail(this.#unexpected('":"'));
    this.#match(SPACE);
    this.#value();
  }

  #item(index: number): void {
    this.#path.push(index);
    this.offsets.set(keyOf(this.#path), this.#at);
    this.#value();
  }

  #string(): string {
    const start = this.#at;
    this.#at += 1;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined || char === '\n' || char === '\r') this.#fail('the string does not end', start);
      if (char < ' ') this.#fail('a control character stands in a string');
      this.#at += 1;
      if (char === '"') return JSON.parse(this.#text.slice(start, this.#at)) as string;
      if (char === '\\' && !this.#match(ESCAPE)) this.#fail('"\\" begins no escape that JSON knows', this.#at - 1);
    }
  }

  #match(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (!found) return false;
    this.#at += found[0].length;
    return true;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }

  #unexpected(wanted: string): string {
    const char = this.#text[this.#at];
    if (char === undefined) return `it ends where ${wanted} should stand`;
    if (char === '/') return `${wanted} should stand here; JSON has no comments`;
    return `${wanted} should stand here, not ${JSON.stringify(char)}`;
  }

  #fail(reason: string, offset = this.#at): never {
    throw new JsonTextError(reason, this.#text, offset);
  }
}
