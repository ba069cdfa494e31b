/**
 * Ends this child process when its parent is gone, however that went; also when it was gone before this code ran, of
 * which no event tells.
 */
export function endWithParent(end: () => void = () => process.exit(0)): void {
  process.on('disconnect', end);
  if (!process.connected) end();
}

/** Sends a message to the parent; when that has just gone nobody is left to be told, and nothing happens. */
export function sendToParent(message: unknown): void {
  // Without a callback a closed channel would be an `error` event.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
