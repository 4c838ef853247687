// Deflate as GNU gzip and zlib do it, to the bit: both choose matches by the same hash chains and the same laziness, and
// differ in details that show in their output. The window is kept as they keep it, 64 KiB that slide by half, because what
// is forgotten when it slides, and what lies behind the end of the input, has a say in which match is found.

import { BitWriter } from './bit-writer.ts';
import { Blocks } from './deflate-blocks.ts';
import type { Flavour } from './deflate-blocks.ts';

const half = 0x8000;
const mask = half - 1;
const windowSize = 2 * half;
const minMatch = 3;
const maxMatch = 258;
/** Input that must lie ahead, so that the longest match can be found and the next position hashed. */
const minAhead = maxMatch + minMatch + 1;
const maxDistance = half - minAhead;
/** A match of 3 that is further away costs more than literals. */
const tooFar = 4096;

/** By level: a match this long makes the next search a quarter; is not bettered; is good enough; candidates looked at. */
const settings = [
  [4, 4, 8, 4],
  [4, 5, 16, 8],
  [4, 6, 32, 32],
  [4, 4, 16, 16],
  [8, 16, 32, 32],
  [8, 16, 128, 128],
  [8, 32, 128, 256],
  [32, 128, 258, 1024],
  [32, 258, 258, 4096],
] as const;

export interface DeflateOptions {
  readonly flavour: Flavour;
  /** 1 to 9. */
  readonly level: number;
  /** Bytes that may come out. */
  readonly limit: number;
  /** Stops as soon as something else comes out. */
  readonly expected?: Uint8Array;
}

/** The raw deflate stream of `input`; undefined when it does not fit, or is not what is expected. */
export function deflate(input: Uint8Array, options: DeflateOptions): Uint8Array | undefined {
  const run = new Deflate(input, options);
  return run.run() ? run.out.take() : undefined;
}

class Deflate {
  readonly out: BitWriter;
  readonly #input: Uint8Array;
  readonly #blocks: Blocks;
  readonly #gzip: boolean;
  readonly #level: number;
  readonly #good: number;
  readonly #lazy: number;
  readonly #nice: number;
  readonly #chain: number;
  readonly #window = new Uint8Array(windowSize);
  readonly #head = new Uint16Array(half);
  readonly #previous = new Uint16Array(half);
  /** Of the input, bytes that were read. */
  #taken = 0;
  #ended = false;
  #hash = 0;
  /** Where we are in the window, what lies ahead, where the block began (below 0: slid away). */
  #at = 0;
  #ahead = 0;
  #blockStart = 0;
  #matchStart = 0;

  constructor(input: Uint8Array, { flavour, level, limit, expected }: DeflateOptions) {
    this.out = new BitWriter(limit, expected);
    this.#input = input;
    this.#gzip = flavour === 'gzip';
    this.#level = level;
    this.#blocks = new Blocks(this.out, flavour, level);
    [this.#good, this.#lazy, this.#nice, this.#chain] = settings[level - 1]!;
  }

  run(): boolean {
    this.#ahead = Math.min(this.#input.length, windowSize);
    this.#window.set(this.#input.subarray(0, this.#ahead));
    this.#taken = this.#ahead;
    this.#ended = this.#ahead === 0;
    this.#lookAhead();
    this.#hash = this.#next(this.#next(0, this.#window[0]!), this.#window[1]!);
    return this.#level <= 3 ? this.#fast() : this.#lazily();
  }

  #next(hash: number, byte: number): number {
    return ((hash << 5) ^ byte) & mask;
  }

  /** Enters the 3 bytes at `at` and gives the place before that had the same hash; 0: none. */
  #enter(at: number): number {
    const hash = ((this.#hash << 5) ^ this.#window[at + 2]!) & mask;
    this.#hash = hash;
    const before = this.#head[hash]!;
    this.#previous[at & mask] = before;
    this.#head[hash] = at;
    return before;
  }

  #lookAhead(): void {
    while (this.#ahead < minAhead && !this.#ended) this.#fill();
  }

  #fill(): void {
    const window = this.#window;
    let room = windowSize - this.#ahead - this.#at;
    if (this.#at >= half + maxDistance) {
      window.copyWithin(0, half);
      this.#matchStart -= half;
      this.#at -= half;
      this.#blockStart -= half;
      for (const table of [this.#head, this.#previous])
        for (let n = 0; n < half; n++) table[n] = table[n]! >= half ? table[n]! - half : 0;
      room += half;
    }
    const end = this.#at + this.#ahead;
    const part = this.#input.subarray(this.#taken, this.#taken + room);
    if (part.length === 0) {
      this.#ended = true;
      // gzip clears what the last hashes see; zlib all that a match may see
      window.fill(0, end, this.#gzip ? end + minMatch - 1 : end + maxMatch);
    }
    window.set(part, end);
    this.#taken += part.length;
    this.#ahead += part.length;
  }

  /** The best match longer than `best` from `candidate` on; its place goes into #matchStart. */
  #longest(candidate: number, before: number): number {
    const [window, previous, at] = [this.#window, this.#previous, this.#at];
    const limit = at > maxDistance ? at - maxDistance : 0;
    const end = at + maxMatch;
    const nice = this.#gzip ? this.#nice : Math.min(this.#nice, this.#ahead);
    let chain = before >= this.#good ? this.#chain >> 2 : this.#chain;
    let best = before;
    let last = window[at + best]!;
    let lastButOne = window[at + best - 1]!;
    const first = window[at]!;
    const second = window[at + 1]!;
    let place = candidate;
    do {
      if (window[place + best] === last && window[place + best - 1] === lastButOne) {
        if (window[place] === first && window[place + 1] === second) {
          let scan = at + 3;
          let match = place + 3;
          while (scan < end && window[scan] === window[match]) {
            scan++;
            match++;
          }
          const length = scan - at;
          if (length > best) {
            this.#matchStart = place;
            best = length;
            if (length >= nice) break;
            last = window[at + best]!;
            lastButOne = window[at + best - 1]!;
          }
        }
      }
      place = previous[place & mask]!;
    } while (place > limit && --chain !== 0);
    return Math.min(best, this.#ahead);
  }

  /** zlib enters no position that has less than 3 bytes before the end of the input. */
  #mayEnter(ahead: number): boolean {
    return this.#gzip || ahead >= minMatch;
  }

  #isNear(place: number): boolean {
    return place !== 0 && this.#at - place <= maxDistance && this.#at <= windowSize - minAhead;
  }

  /** Levels 1 to 3: the first match found is taken. */
  #fast(): boolean {
    while (this.#ahead > 0) {
      const place = this.#mayEnter(this.#ahead) ? this.#enter(this.#at) : 0;
      const length = this.#isNear(place) ? this.#longest(place, minMatch - 1) : 0;
      const full = length >= minMatch ? this.#take(length) : this.#takeLiteral();
      if (full && !this.#endBlock(false)) return false;
      this.#lookAhead();
    }
    return this.#endBlock(true);
  }

  #takeLiteral(): boolean {
    const full = this.#blocks.literal(this.#window[this.#at]!, this.#at - this.#blockStart);
    this.#ahead--;
    this.#at++;
    return full;
  }

  #take(length: number): boolean {
    const full = this.#blocks.match(length - minMatch, this.#at - this.#matchStart, this.#at - this.#blockStart);
    this.#ahead -= length;
    const enters = length <= this.#lazy && this.#mayEnter(this.#ahead);
    if (enters) {
      for (let n = 1; n < length; n++) this.#enter(++this.#at);
      this.#at++;
    } else {
      this.#at += length;
      this.#hash = this.#next(this.#window[this.#at]!, this.#window[this.#at + 1]!);
    }
    return full;
  }

  /** Levels 4 to 9: a match is taken if none longer begins at the next position. */
  #lazily(): boolean {
    let waiting = false;
    let length = minMatch - 1;
    while (this.#ahead > 0) {
      const place = this.#mayEnter(this.#ahead) ? this.#enter(this.#at) : 0;
      const before = length;
      const matchBefore = this.#matchStart;
      length = minMatch - 1;
      if (before < this.#lazy && this.#isNear(place)) {
        length = this.#longest(place, before);
        if (length === minMatch && this.#at - this.#matchStart > tooFar) length--;
      }
      const passed = this.#at - this.#blockStart;
      if (before >= minMatch && length <= before) {
        const full = this.#blocks.match(before - minMatch, this.#at - 1 - matchBefore, passed);
        this.#skip(before);
        waiting = false;
        length = minMatch - 1;
        if (full && !this.#endBlock(false)) return false;
      } else {
        if (waiting && this.#blocks.literal(this.#window[this.#at - 1]!, passed) && !this.#endBlock(false))
          return false;
        waiting = true;
        this.#at++;
        this.#ahead--;
      }
      this.#lookAhead();
    }
    if (waiting) this.#blocks.literal(this.#window[this.#at - 1]!, this.#at - this.#blockStart);
    return this.#endBlock(true);
  }

  /** Enters the positions of a match that began one position before. */
  #skip(length: number): void {
    const lastEntered = this.#at + this.#ahead - minMatch;
    this.#ahead -= length - 1;
    for (let n = length - 2; n > 0; n--) {
      this.#at++;
      if (this.#gzip || this.#at <= lastEntered) this.#enter(this.#at);
    }
    this.#at++;
  }

  /** False when what came out does not fit. */
  #endBlock(last: boolean): boolean {
    const size = this.#at - this.#blockStart;
    const stored = this.#blockStart >= 0 ? this.#window.subarray(this.#blockStart, this.#at) : undefined;
    this.#blocks.flush(stored, size, last);
    this.#blockStart = this.#at;
    return this.out.fits();
  }
}
