import { collectAllGarbage } from './collect-garbage.js';

/** A task that leaves its thread with less memory. */
export default async function collect(): Promise<void> {
  await collectAllGarbage();
}
