/** `ringbufferjs` 2 has no types of its own: the part of it that is used here. */
declare module 'ringbufferjs' {
  export default class RingBuffer<T> {
    constructor(capacity?: number, evictedCb?: (element: T) => void);
    capacity(): number;
    isEmpty(): boolean;
    isFull(): boolean;
    /** Throws when empty. */
    peek(): T;
    /** Throws when empty. The slot keeps its reference until it is written again. */
    deq(): T;
    /** Overwrites the oldest when full, after giving it to `evictedCb`. Returns the new size. */
    enq(element: T): number;
    size(): number;
  }
}
