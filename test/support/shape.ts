/**
 * Paths in `made`, a made-up answer, that are not in `real` or are of another type there: `sessions.0.fps: number, not
 * string`. Null and what is empty fit everything; of a list the first element stands for all.
 */
export function shapeMismatches(made: unknown, real: unknown, path = ''): string[] {
  if (made === null || real === null) return [];
  if (typeof made !== typeof real || Array.isArray(made) !== Array.isArray(real)) {
    return [`${path} is ${kindOf(real)}, not ${kindOf(made)}`];
  }
  if (typeof made !== 'object' || typeof real !== 'object') return [];
  if (Array.isArray(made)) {
    const [first] = made as unknown[];
    const [other] = real as unknown[];
    return first === undefined || other === undefined ? [] : shapeMismatches(first, other, `${path}.0`);
  }
  return Object.entries(made).flatMap(([name, value]) => {
    const at = path === '' ? name : `${path}.${name}`;
    if (!Object.hasOwn(real, name)) return [`${at} is not there`];
    return shapeMismatches(value, (real as Record<string, unknown>)[name], at);
  });
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? 'a list' : typeof value;
}
