// A ring of buffers in memory that two threads share: one fills them, the other writes them in the same order. Counters are
// seen without a turn of the event loop, for which neither side has time.

/** Room for entries; more than there are buffers, so that they never run out first. */
const ENTRIES = 128;
const WORDS = 2;

// Counters, in front of the entries: put, done, and the state of the thread that writes.
const PUT = 0;
const DONE = 1;
const STATE = 2;
const COUNTERS = 3;

const STARTING = 0;
const RUNNING = 1;
const FAILED = 2;

/** The length of an entry behind which nothing follows. */
const END = -1;

/** What a ring is made of, as it passes from thread to thread. */
export interface RingMemory {
  readonly words: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
  /** Size of a slot, in bytes. */
  readonly slotSize: number;
}

/** A new ring of `count` buffers. */
export function ringMemory(count: number, slotSize: number): RingMemory {
  return {
    words: new SharedArrayBuffer(4 * (COUNTERS + ENTRIES * WORDS)),
    slots: new SharedArrayBuffer(count * slotSize),
    slotSize,
  };
}

/** One side's view of a ring. */
export class WriteRing {
  readonly #words: Int32Array;
  readonly #slots: Buffer;
  readonly #size: number;

  constructor({ words, slots, slotSize }: RingMemory) {
    this.#words = new Int32Array(words);
    this.#slots = Buffer.from(slots);
    this.#size = slotSize;
  }

  /** True when the thread that writes has started. */
  get started(): boolean {
    return Atomics.load(this.#words, STATE) !== STARTING;
  }

  /** True when it writes no more because of an error. */
  get failed(): boolean {
    return Atomics.load(this.#words, STATE) === FAILED;
  }

  /** How many entries were written. */
  get done(): number {
    return Atomics.load(this.#words, DONE);
  }

  /** The buffer `slot`. */
  slot(slot: number): Buffer {
    return this.#slots.subarray(slot * this.#size, (slot + 1) * this.#size);
  }

  /** Puts an entry in: `length` bytes of `slot`. */
  put(slot: number, length: number): void {
    const number = this.#words[PUT]!;
    const at = COUNTERS + (number % ENTRIES) * WORDS;
    this.#words[at] = slot;
    this.#words[at + 1] = length;
    Atomics.store(this.#words, PUT, number + 1);
    Atomics.notify(this.#words, PUT);
  }

  /** Says that nothing follows. */
  end(): void {
    this.put(0, END);
  }

  /** Waits until more than `done` entries are written, for `timeout` milliseconds at most. */
  wait(done: number, timeout: number): void {
    if (!this.failed) Atomics.wait(this.#words, DONE, done, timeout);
  }

  /** For the thread that writes: it has started. */
  start(): void {
    Atomics.store(this.#words, STATE, RUNNING);
  }

  /** The bytes to write next; waits until there are some. Undefined at the end. */
  next(): Buffer | undefined {
    const number = this.done;
    while (Atomics.load(this.#words, PUT) === number) Atomics.wait(this.#words, PUT, number);
    const at = COUNTERS + (number % ENTRIES) * WORDS;
    const start = this.#words[at]! * this.#size;
    const length = this.#words[at + 1]!;
    return length === END ? undefined : this.#slots.subarray(start, start + length);
  }

  /** Those that `next` gave are written. */
  written(): void {
    Atomics.add(this.#words, DONE, 1);
    Atomics.notify(this.#words, DONE);
  }

  /** Nothing more will be written. */
  fail(): void {
    Atomics.store(this.#words, STATE, FAILED);
    Atomics.notify(this.#words, DONE);
  }
}
