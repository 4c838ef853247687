// An index of short byte strings ("seeds") of old bytes: for each hash the places where it stands, newest first.

import { giveBack } from '../give-back.ts';

/** Where seeds of `length` bytes stand; disposed of, nowhere. */
export interface Seeds extends Disposable {
  readonly length: number;
  /** Takes up bytes from `start` to `end` instead of all it held. */
  load(bytes: Uint8Array, start: number, end: number): void;
  /** A place that may begin like `view` at `at`; -1 for none. */
  find(view: DataView, at: number): number;
  /** The place to try after `place`, of the hash that was found last; -1 for none. */
  next(place: number): number;
}

/** Hashes of `length` (a multiple of 4) bytes at every `step`-th place of a range of bytes. */
export class SeedIndex implements Seeds {
  readonly length: number;
  readonly step: number;
  #first = 0;
  #shift = 26;
  /** Of each hash, 1 + the number of the last place with it. */
  #head: Int32Array = new Int32Array(64);
  /** Of each place, what its hash's head was before. */
  #previous: Int32Array = new Int32Array(0);

  constructor(length: number, step: number) {
    this.length = length;
    this.step = step;
  }

  /** Takes up bytes from `start` to `end` instead of all it held. */
  load(bytes: Uint8Array, start: number, end: number): void {
    this.#first = Math.ceil(start / this.step);
    const places = Math.max(0, Math.floor((end - this.length) / this.step) + 1 - this.#first);
    const bits = Math.min(24, Math.max(6, 32 - Math.clz32(places)));
    this.#shift = 32 - bits;
    if (this.#head.length < 1 << bits) this.#head = new Int32Array(1 << bits);
    else this.#head.fill(0, 0, 1 << bits);
    if (this.#previous.length < places) this.#previous = new Int32Array(places);
    this.#fill(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), places);
  }

  /** Runs of one byte value are put in but once, at their beginnings: all their places look alike. */
  #fill(view: DataView, places: number): void {
    let last = -1;
    for (let i = 0; i < places; i++) {
      const hash = hashAt(view, (this.#first + i) * this.step, this.length) >>> this.#shift;
      if (hash === last) continue;
      last = hash;
      this.#previous[i] = this.#head[hash]!;
      this.#head[hash] = i + 1;
    }
  }

  [Symbol.dispose](): void {
    giveBack(this.#head);
    giveBack(this.#previous);
  }

  /** The newest place that may begin like `view` at `at`; -1 for none. */
  find(view: DataView, at: number): number {
    const entry = this.#head[hashAt(view, at, this.length) >>> this.#shift]!;
    return entry === 0 ? -1 : (this.#first + entry - 1) * this.step;
  }

  /** The place before `place` with the same hash; -1 for none. */
  next(place: number): number {
    const entry = this.#previous[place / this.step - this.#first]!;
    return entry === 0 ? -1 : (this.#first + entry - 1) * this.step;
  }
}

/** A hash of the `length` bytes at `at`; its upper bits are the best. */
export function hashAt(view: DataView, at: number, length: number): number {
  let hash = 0;
  for (let i = 0; i < length; i += 4) {
    hash = Math.imul(hash ^ view.getUint32(at + i, true), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return Math.imul(hash, 0x85ebca6b);
}
