import { z } from 'zod';

/**
 * `schema.safeParse` for values of strangers. Zod compares the length of whatever has one, and throws when that cannot
 * be compared, as in `{"length": {"toString": 1}}`: here it is a value that does not fit like any other.
 */
export function safeParse<T extends z.ZodType>(schema: T, value: unknown): z.ZodSafeParseResult<z.infer<T>> {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const message = 'a value in it is of a wrong type.';
    const failure = new z.ZodError([{ code: 'custom', path: [], message, input: value }]);
    return { success: false, error: failure as z.ZodError<z.infer<T>> };
  }
}
