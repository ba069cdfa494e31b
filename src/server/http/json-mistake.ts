import { JsonTextError, parseJsonText } from '../../config/json-text.js';
import { DhError } from '../../errors.js';

/** Looking for the place of a mistake costs more than reading: in a longer text it is not looked for. */
const MOST_SEARCHED_CHARS = 100_000;
const HINT = 'The body is a JSON object, as in {"text": "Hello."}; docs/api.md shows each call with its fields.';

/** Why a text that was refused as JSON is none that calls take: `bad_request` with line, column and reason. */
export function jsonMistake(text: string): DhError {
  if (text.trim() === '') return new DhError('bad_request', 'The body is empty.', { hint: HINT });
  if (text.length > MOST_SEARCHED_CHARS)
    return new DhError('bad_request', 'The body is not JSON, or nested too deep.', { hint: HINT });
  try {
    parseJsonText(text);
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error;
    const { line, column, message } = error;
    return new DhError('bad_request', `The body is not JSON: line ${line}, column ${column}: ${message}.`, {
      hint: HINT,
    });
  }
  return new DhError('bad_request', '"constructor" can be no name in the body.', { hint: HINT });
}
