import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MemoryRegistry, type MemoryUser } from '../../src/guard/memory-registry.js';

function user(name: string, bytes: number, throws: boolean): MemoryUser & { held: number } {
  return {
    name,
    owner: 'test',
    kind: 'cache',
    held: bytes,
    figures() {
      return { bytes: this.held, limitBytes: null, items: 1, hits: 0, misses: 0, evictions: 0 };
    },
    trim(level) {
      if (throws) throw new Error('defect');
      const freed = level === 'hard' ? this.held : Math.floor(this.held / 2);
      this.held -= freed;
      return freed;
    },
  };
}

const act = fc.oneof(
  fc.record({ do: fc.constant('add' as const), bytes: fc.nat(1000), throws: fc.boolean() }),
  fc.record({ do: fc.constant('remove' as const), which: fc.nat(30) }),
  fc.record({ do: fc.constant('trim' as const), level: fc.constantFrom('soft' as const, 'hard' as const) }),
);

it('accounts for exactly who is in it, and a defective one costs nobody else anything', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const registry = new MemoryRegistry();
      const present: { user: ReturnType<typeof user>; remove: () => void }[] = [];
      acts.forEach((one, i) => {
        if (one.do === 'add') {
          const added = user(`u${i}`, one.bytes, one.throws);
          present.push({ user: added, remove: registry.register(added) });
        } else if (one.do === 'remove') {
          const [gone] = present.splice(one.which % Math.max(1, present.length), 1);
          gone?.remove();
          gone?.remove(); // twice is harmless
        } else {
          const before = registry.accountedBytes();
          const { freedBytes, users } = registry.trim(one.level);
          expect(before - registry.accountedBytes()).toBe(freedBytes);
          expect(users.reduce((sum, { freedBytes: freed }) => sum + freed, 0)).toBe(freedBytes);
        }
        expect(registry.entries().map(({ name, bytes }) => [name, bytes])).toEqual(
          present.map(({ user: { name, held } }) => [name, held]),
        );
        expect(registry.accountedBytes()).toBe(present.reduce((sum, { user: { held } }) => sum + held, 0));
      });
    }),
  );
});
