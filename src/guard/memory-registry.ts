/** `soft`: give back what can be made again cheaply. `hard`: everything that is not in use this moment. */
export type TrimLevel = 'soft' | 'hard';

/** Counters of one cache, pool, queue or asset. */
export interface MemoryFigures {
  bytes: number;
  /** Most that it will ever hold; null: bounded by something else, such as the number of sessions. */
  limitBytes: number | null;
  items: number;
  hits: number;
  misses: number;
  evictions: number;
}

/** What holds memory on purpose: it says how much, and gives some back when it is asked. */
export interface MemoryUser {
  /** What it is, such as `frame pool`. */
  readonly name: string;
  /** Whose it is, such as `session main`. */
  readonly owner: string;
  readonly kind: 'cache' | 'pool' | 'queue' | 'asset';
  /** Cheap: it is called several times a second. */
  figures(): MemoryFigures;
  /** Frees what the level allows and returns how many bytes that were. Never throws, never waits. */
  trim?(level: TrimLevel): number;
}

/** One line of the registry, as it travels to control and to the API. */
export interface MemoryEntry extends MemoryFigures {
  name: string;
  owner: string;
  kind: MemoryUser['kind'];
}

/** What a trim did, user by user. */
export interface TrimReport {
  freedBytes: number;
  users: { name: string; owner: string; freedBytes: number }[];
}

/**
 * All that holds memory on purpose in this process. Users are held weakly: being registered keeps nothing alive, and one
 * whose owner is gone drops out by itself.
 */
export class MemoryRegistry {
  readonly #users = new Set<WeakRef<MemoryUser>>();

  /** Takes a user in; the caller keeps it alive. The returned function takes it out again, twice is harmless. */
  register(user: MemoryUser): () => void {
    const reference = new WeakRef(user);
    this.#users.add(reference);
    return () => void this.#users.delete(reference);
  }

  entries(): MemoryEntry[] {
    const entries: MemoryEntry[] = [];
    for (const user of this.#alive()) {
      const { name, owner, kind } = user;
      entries.push({ name, owner, kind, ...user.figures() });
    }
    return entries;
  }

  /** Bytes of all users together. */
  accountedBytes(): number {
    let sum = 0;
    for (const user of this.#alive()) sum += user.figures().bytes;
    return sum;
  }

  /** Asks every user that can to give memory back. */
  trim(level: TrimLevel): TrimReport {
    const users: TrimReport['users'] = [];
    let freedBytes = 0;
    for (const user of this.#alive()) {
      const freed = trimOne(user, level);
      if (freed <= 0) continue;
      freedBytes += freed;
      users.push({ name: user.name, owner: user.owner, freedBytes: freed });
    }
    return { freedBytes, users };
  }

  *#alive(): Generator<MemoryUser, void, undefined> {
    for (const reference of this.#users) {
      const user = reference.deref();
      if (user) yield user;
      else this.#users.delete(reference);
    }
  }
}

/** A user that breaks its promise not to throw must not keep the others from giving memory back. */
function trimOne(user: MemoryUser, level: TrimLevel): number {
  try {
    return user.trim?.(level) ?? 0;
  } catch {
    return 0;
  }
}

/** The registry of this process. */
export const memoryRegistry = new MemoryRegistry();
