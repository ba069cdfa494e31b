const MAX_KEPT = 100;
const names = new Map();

/** Keeps the name of the file that an utterance of this page speaks. */
export function nameUtterance(id, name) {
  names.set(id, name);
  if (names.size > MAX_KEPT) names.delete(names.keys().next().value);
}

/** The name of the file, or undefined. */
export const nameOf = (id) => names.get(id);
