// Where old bytes went: the runs in the order of the old file, each old byte in one of them, as addresses, because it is
// asked for every field.

import type { ElfImage } from '../elf/image.ts';
import type { Stretch } from '../elf/segments.ts';
import type { Runs } from './runs.ts';

const bucketBits = 10;

/** Maps old offsets to fresh addresses through runs. */
export class RunMap {
  readonly #image: ElfImage;
  readonly #size: number;
  /** Where old stretches of one run each begin, ascending; the first at 0. */
  readonly #begin: Uint32Array;
  /** Fresh minus old offset. */
  readonly #shift: Float64Array;
  /** Fresh address minus old offset; NaN where that is not the same for a whole stretch. */
  readonly #distance: Float64Array;
  #count = 0;
  /** Of each 2^bucketBits old bytes the stretch that holds the first. */
  readonly #buckets: Uint32Array;

  /** `start`: where in the fresh file the bytes begin that the runs count from. */
  constructor(runs: Runs, start: number, oldSize: number, image: ElfImage) {
    this.#image = image;
    this.#size = oldSize;
    const order = Uint32Array.from({ length: runs.count }, (_, i) => i);
    order.sort((a, b) => runs.old[a]! - runs.old[b]! || runs.length[b]! - runs.length[a]!);
    this.#begin = new Uint32Array(Math.max(1, runs.count));
    this.#shift = new Float64Array(this.#begin.length);
    this.#distance = new Float64Array(this.#begin.length);
    const end = new Uint32Array(this.#begin.length);
    for (const i of order) this.#add(end, runs.old[i]!, runs.length[i]!, start + runs.fresh[i]! - runs.old[i]!);
    this.#join(end);
    this.#measure();
    this.#buckets = new Uint32Array(Math.floor(oldSize / (1 << bucketBits)) + 2);
    let stretch = 0;
    for (let i = 0; i < this.#buckets.length; i++) {
      while (stretch + 1 < this.#count && this.#begin[stretch + 1]! <= i * (1 << bucketBits)) stretch++;
      this.#buckets[i] = stretch;
    }
  }

  /** Of two runs that overlap the longer one keeps the common part. */
  #add(ends: Uint32Array, old: number, length: number, shift: number): void {
    let begin = old;
    const end = old + length;
    const last = this.#count - 1;
    if (last >= 0 && ends[last]! > begin) {
      if (ends[last]! - this.#begin[last]! >= length) begin = ends[last]!;
      else ends[last] = begin;
    }
    if (begin >= end) return;
    this.#begin[this.#count] = begin;
    ends[this.#count] = end;
    this.#shift[this.#count++] = shift;
  }

  /** Bytes that are in no run go with the nearer one of their neighbours, with the one before where both are as near. */
  #join(ends: Uint32Array): void {
    if (this.#count === 0) this.#count = 1;
    this.#begin[0] = 0;
    for (let i = 1; i < this.#count; i++) {
      const [end, begin] = [ends[i - 1]!, this.#begin[i]!];
      if (end < begin) this.#begin[i] = Math.floor((end + begin) / 2) + 1;
    }
  }

  #measure(): void {
    const { stretches } = this.#image;
    for (let i = 0; i < this.#count; i++) {
      const shift = this.#shift[i]!;
      const first = this.#begin[i]! + shift;
      const end = (i + 1 < this.#count ? this.#begin[i + 1]! : this.#size) + shift;
      const stretch = stretchOf(stretches, first);
      const whole = stretch !== undefined && end <= stretch.end;
      this.#distance[i] = whole ? shift + stretch.shift : NaN;
    }
  }

  /** The fresh address of an old offset, which may lie behind the file. */
  addressOf(old: number): number {
    if (old >= this.#size) return this.#image.addressOf(old + this.#shift[this.#count - 1]!);
    const bucket = old >>> bucketBits;
    const begin = this.#begin;
    let low = this.#buckets[bucket]!;
    let high = this.#buckets[bucket + 1]!;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (begin[middle]! <= old) low = middle;
      else high = middle - 1;
    }
    const distance = this.#distance[low]!;
    return distance === distance ? old + distance : this.#image.addressOf(old + this.#shift[low]!);
  }
}

/** The stretch that holds an offset; undefined where the offset is below zero. */
export function stretchOf(stretches: readonly Stretch[], offset: number): Stretch | undefined {
  if (offset < 0) return undefined;
  let low = 0;
  let high = stretches.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (stretches[middle]!.end <= offset) low = middle + 1;
    else high = middle;
  }
  return stretches[low];
}
