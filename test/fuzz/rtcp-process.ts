/**
 * Viewers that attack, in a process of their own: a stage that no longer answers can hold up the library's threads on
 * this side as well. Takes `RtcpOrder` messages, answers each with a `Trial`.
 */
import { FuzzRandom } from './fuzz-random.js';
import type { RtcpOrder } from './rtcp-attack.js';
import { rtcpStep } from './rtcp-packets.js';

process.on('message', ({ seed, step, world }: RtcpOrder) => {
  void rtcpStep(FuzzRandom.ofStep(seed, 'rtcp', step), world).then(
    (trial) => process.send?.(trial),
    (error: unknown) => process.send?.({ sent: '', outcome: 'error', fault: `the attacker failed: ${String(error)}` }),
  );
});
process.once('disconnect', () => process.exit(0));
