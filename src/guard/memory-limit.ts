import { totalmem } from 'node:os';

/**
 * The limit that counts, in bytes: the configured one, or that of the container when it is smaller. Without a container
 * limit `process.constrainedMemory()` answers more than the machine has.
 */
export function effectiveLimitBytes(maxMemoryMb: number, constrainedBytes = process.constrainedMemory()): number {
  const container = constrainedBytes > 0 && constrainedBytes < totalmem() ? constrainedBytes : Number.POSITIVE_INFINITY;
  return Math.min(maxMemoryMb * 1e6, container);
}
