/**
 * Ends this child process when its parent is gone, however that went; also when it was gone before this code ran, of
 * which no event tells.
 */
export function endWithParent(end: () => void = () => process.exit(0)): void {
  process.on('disconnect', end);
  if (!process.connected) end();
}
