// An index of seeds for quick searches. Places are only ever written over, not chained: a table that need not be read to be
// filled fills four times as fast, and a long match has seeds enough that some of them are still there.

import { giveBack } from '../give-back.ts';
import { hashAt, type Seeds } from './seeds.ts';

/** Numbers of places take so many bits of an entry, bits of the hash the rest. */
const placeBits = 23;
const most = (1 << placeBits) - 1;

/** Hashes of `length` (a multiple of 4) bytes at every `step`-th place of some bytes, of at most eight million places. */
export class SeedTable implements Seeds {
  readonly length: number;
  readonly step: number;
  /** The number of the first place. */
  #first = 0;
  #shift = 27;
  /** Of each hash two entries, of even and of odd places; 0: none, else 1 + the place's number below bits of the hash. */
  #table: Int32Array = new Int32Array(64);
  /** The other entry of the last hash that was found, where it is one of that hash. */
  #other = 0;

  constructor(length: number, step: number) {
    this.length = length;
    this.step = step;
  }

  /** Takes up some bytes instead of all it held. */
  load(bytes: Uint8Array, start: number, end: number): void {
    const { length, step } = this;
    this.#first = Math.ceil(start / step);
    const places = Math.min(most, Math.max(0, Math.floor((end - length) / step) + 1 - this.#first));
    const bits = Math.max(6, 32 - Math.clz32(places));
    this.#shift = 33 - bits;
    if (this.#table.length < 1 << bits) this.#table = new Int32Array(1 << bits);
    else this.#table.fill(0);
    const from = this.#first * step;
    if (places === 0) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset + from, end - from);
    fill(this.#table, view, places, step, length, this.#shift);
  }

  /** A place that may begin like `view` at `at`; -1 for none. */
  find(view: DataView, at: number): number {
    const hash = hashAt(view, at, this.length);
    const slot = (hash >>> this.#shift) << 1;
    const mark = hash << placeBits;
    const even = this.#table[slot]!;
    const odd = this.#table[slot + 1]!;
    this.#other = ((odd ^ mark) & ~most) === 0 ? odd & most : 0;
    return ((even ^ mark) & ~most) === 0 && even !== 0 ? this.#place(even & most) : this.next();
  }

  /** The other place with the hash that was found last; -1 for none. */
  next(): number {
    const other = this.#other;
    this.#other = 0;
    return other === 0 ? -1 : this.#place(other);
  }

  [Symbol.dispose](): void {
    giveBack(this.#table);
  }

  #place(number: number): number {
    return (this.#first + number - 1) * this.step;
  }
}

/** Runs of one byte value are put in but once, at their beginnings: all their places look alike. */
function fill(table: Int32Array, view: DataView, places: number, step: number, length: number, shift: number): void {
  let last = -1;
  for (let i = 0; i < places; i++) {
    const hash = hashAt(view, i * step, length);
    if (hash === last) continue;
    last = hash;
    table[((hash >>> shift) << 1) + (i & 1)] = (hash << placeBits) | (i + 1);
  }
}
