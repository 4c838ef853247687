// Where old places went: the runs in the order of the old file, each old byte in one of them, asked for every field.

import type { Runs } from './runs.ts';

const bucketBits = 10;

/** Maps old offsets to fresh ones through runs. */
export class RunMap {
  /** Begins of stretches in the old file, ascending. */
  readonly #old: Float64Array;
  readonly #end: Float64Array;
  /** Fresh minus old place. */
  readonly #shift: Float64Array;
  #count = 0;
  /** Of each 2^bucketBits old bytes the first stretch that ends behind their begin. */
  readonly #buckets: Uint32Array;

  /** `start`: where in the fresh file the bytes begin that the runs count from. */
  constructor(runs: Runs, start: number, oldSize: number) {
    const order = Uint32Array.from({ length: runs.count }, (_, i) => i);
    order.sort((a, b) => runs.old[a]! - runs.old[b]! || runs.length[b]! - runs.length[a]!);
    this.#old = new Float64Array(runs.count);
    this.#end = new Float64Array(runs.count);
    this.#shift = new Float64Array(runs.count);
    for (const i of order) this.#add(runs.old[i]!, runs.length[i]!, start + runs.fresh[i]! - runs.old[i]!);
    this.#buckets = new Uint32Array(Math.floor(oldSize / (1 << bucketBits)) + 2);
    let stretch = 0;
    for (let i = 0; i < this.#buckets.length; i++) {
      while (stretch < this.#count && this.#end[stretch]! <= i * (1 << bucketBits)) stretch++;
      this.#buckets[i] = stretch;
    }
  }

  /** Of two stretches that overlap the longer one keeps the common part. */
  #add(old: number, length: number, shift: number): void {
    let begin = old;
    const end = old + length;
    const last = this.#count - 1;
    if (last >= 0 && this.#end[last]! > begin) {
      if (this.#end[last]! - this.#old[last]! >= length) begin = this.#end[last]!;
      else this.#end[last] = begin;
    }
    if (begin >= end) return;
    this.#old[this.#count] = begin;
    this.#end[this.#count] = end;
    this.#shift[this.#count++] = shift;
  }

  /** The fresh offset of an old one; where no run holds it, as the nearer one of its neighbours would have it. */
  freshOf(old: number): number {
    const bucket = Math.floor(old / (1 << bucketBits));
    let i = this.#buckets[bucket] ?? this.#count;
    let high = this.#buckets[bucket + 1] ?? this.#count;
    while (i < high) {
      const middle = (i + high) >>> 1;
      if (this.#end[middle]! <= old) i = middle + 1;
      else high = middle;
    }
    if (i === this.#count) return i === 0 ? old : old + this.#shift[i - 1]!;
    if (this.#old[i]! <= old || i === 0) return old + this.#shift[i]!;
    return old + (this.#old[i]! - old < old - this.#end[i - 1]! ? this.#shift[i]! : this.#shift[i - 1]!);
  }
}
