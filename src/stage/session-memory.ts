import type { MemoryFigures, MemoryRegistry, MemoryUser } from '../guard/memory-registry.js';
import type { Closable } from '../units.js';
import { OPUS_BYTES } from '../stream/encoders/opus-encoder.js';
import type { LiveOpus } from '../stream/encoders/live-opus.js';
import type { StreamHub } from '../stream/stream-hub.js';
import type { Transition } from '../frames/transition.js';
import type { Drawing } from './drawing.js';
import type { SoundInput } from './sound-input.js';
import type { VideoEncoders } from './video-encoders.js';

/** What a session holds now; the parts change when it is updated. */
export interface SessionParts {
  drawing: Drawing;
  transition: Transition | null;
  video: VideoEncoders;
  opus: LiveOpus;
  sound: SoundInput;
  hub: StreamHub;
}

const NO_COUNTS = { hits: 0, misses: 0, evictions: 0 };

/** Everything that a session holds on purpose, in the registry under `session <id>` for as long as it lives. */
export class SessionMemory implements Closable {
  /** The registry holds its users weakly: here they are held. */
  readonly #users: MemoryUser[];
  readonly #unregister: (() => void)[];

  constructor(id: string, parts: () => SessionParts, registry: Pick<MemoryRegistry, 'register'>) {
    const user = (name: string, kind: MemoryUser['kind'], figures: () => MemoryFigures): MemoryUser => ({
      ...{ name, kind, figures },
      owner: `session ${id}`,
    });
    this.#users = [
      user('frame pool', 'pool', () => framePool(parts().drawing)),
      user('canvas', 'asset', () => fixed(parts().drawing.canvas?.bytes ?? 0)),
      user('transition', 'asset', () => fixed(parts().transition?.bytes ?? 0)),
      user('face engine', 'asset', () => fixed(parts().drawing.engine.bytes)),
      { ...user('resize buffers', 'cache', () => resize(parts().drawing)), trim: () => parts().drawing.fit.trim() },
      user('video encoder', 'asset', () => fixed(parts().video.bytes)),
      user('sound encoder', 'asset', () => fixed(parts().opus.encoders * OPUS_BYTES)),
      user('audio queue', 'queue', () => audioQueue(parts().sound)),
      user('utterance buffer', 'queue', () => utteranceBuffer(parts().sound)),
      user('packet history', 'pool', () => fixed(parts().hub.historyBytes)),
      user('viewers', 'pool', () => viewers(parts().hub)),
    ];
    this.#unregister = this.#users.map((each) => registry.register(each));
  }

  /** Bytes of everything. */
  get bytes(): number {
    return this.#users.reduce((sum, each) => sum + each.figures().bytes, 0);
  }

  close(): void {
    for (const unregister of this.#unregister) unregister();
  }
}

function fixed(bytes: number): MemoryFigures {
  return { bytes, limitBytes: bytes, items: bytes > 0 ? 1 : 0, ...NO_COUNTS };
}

function framePool({ pool }: Drawing): MemoryFigures {
  const { bytes, size, acquired, misses } = pool.stats();
  return { bytes, limitBytes: bytes, items: size, hits: acquired, misses, evictions: 0 };
}

function resize({ fit }: Drawing): MemoryFigures {
  const { bytes, shapes, allocations } = fit.stats();
  return { bytes, limitBytes: null, items: shapes, ...NO_COUNTS, misses: allocations };
}

function audioQueue({ queue }: SoundInput): MemoryFigures {
  const { length, pushed, drops } = queue.stats();
  const bytes = queue.bytes();
  return { bytes, limitBytes: bytes, items: length, hits: pushed, misses: 0, evictions: drops };
}

function utteranceBuffer(sound: SoundInput): MemoryFigures {
  const { bytes, samples } = sound.buffered;
  return { bytes, limitBytes: bytes, items: samples, ...NO_COUNTS };
}

function viewers(hub: StreamHub): MemoryFigures {
  const { bytes, limitBytes, count } = hub.viewerMemory;
  return { bytes, limitBytes, items: count, ...NO_COUNTS };
}
