// Landmarks: hashes of short strings at regular places of an old file of any size, a few bytes for each 512 of it, by which
// is found what parts of it some fresh bytes come from.

import type { RandomBytes } from '../random-bytes.ts';

const width = 32;
const spacing = 512;
const piece = 1 << 20;
const factor = 0x2c1b3c6d;
/** factor to the power of width. */
let highest = 1;
for (let i = 0; i < width; i++) highest = Math.imul(highest, factor);

/** Landmarks of an old file. */
export class Landmarks {
  readonly #hashes: Int32Array;
  /** Of the hashes' upper bits, 1 + the number of the last landmark with them. */
  readonly #head: Int32Array;
  readonly #previous: Int32Array;
  readonly #shift: number;

  constructor(old: RandomBytes) {
    const count = Math.floor(old.size / spacing);
    const bits = Math.min(24, Math.max(8, 32 - Math.clz32(count)));
    this.#shift = 32 - bits;
    this.#hashes = new Int32Array(count);
    this.#head = new Int32Array(1 << bits);
    this.#previous = new Int32Array(count);
    let mark = 0;
    for (let at = 0; at < count * spacing; at += piece) {
      const bytes = old.read(at, Math.min(piece, old.size - at));
      for (let from = 0; from < bytes.length && mark < count; from += spacing) this.#add(mark++, hashOf(bytes, from));
    }
  }

  /** Landmarks with the same hash are kept but thrice: those of zeros and the like tell nothing. */
  #add(mark: number, hash: number): void {
    const slot = hash >>> this.#shift;
    this.#hashes[mark] = hash;
    let alike = 0;
    for (let other = this.#head[slot]!; other !== 0; other = this.#previous[other - 1]!)
      if (this.#hashes[other - 1] === hash && ++alike === 3) return;
    this.#previous[mark] = this.#head[slot]!;
    this.#head[slot] = mark + 1;
  }

  /** Calls `found` with old places whose strings stand in `fresh`, at most one for each `spacing` bytes or so. */
  visit(fresh: Uint8Array, found: (old: number) => void): void {
    if (fresh.length < width) return;
    let hash = rawHashOf(fresh, 0);
    let at = 0;
    while (at + width < fresh.length) {
      const hit = this.#find(mixed(hash), found);
      if (hit && at + spacing + width < fresh.length) {
        at += spacing - 8;
        hash = rawHashOf(fresh, at);
      } else {
        hash = (Math.imul(hash, factor) + fresh[at + width]! - Math.imul(fresh[at]!, highest)) | 0;
        at++;
      }
    }
  }

  #find(hash: number, found: (old: number) => void): boolean {
    let hit = false;
    for (let mark = this.#head[hash >>> this.#shift]!; mark !== 0; mark = this.#previous[mark - 1]!) {
      if (this.#hashes[mark - 1] !== hash) continue;
      found((mark - 1) * spacing);
      hit = true;
    }
    return hit;
  }
}

function hashOf(bytes: Uint8Array, at: number): number {
  return mixed(rawHashOf(bytes, at));
}

function rawHashOf(bytes: Uint8Array, at: number): number {
  let hash = 0;
  for (let i = 0; i < width; i++) hash = (Math.imul(hash, factor) + (bytes[at + i] ?? 0)) | 0;
  return hash;
}

function mixed(hash: number): number {
  const folded = hash ^ (hash >>> 15);
  return Math.imul(folded, 0x2c9277b5) ^ (folded >>> 13);
}
