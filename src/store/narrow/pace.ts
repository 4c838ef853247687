// How much work deltas are worth: as much as the line leaves time for. While the line is what is waited for, encoding may take
// longer; where the line waits, it must be fast.

import type { Level } from '../../delta/codec/file.ts';

/** A level, or what fits the line. */
export type PaceLevel = Level | 'auto';

/** `best` takes about so many times as long as `fast`. */
const bestCosts = 10;
/** What was measured counts half after so many milliseconds more. */
const memory = 2000;

export class Pace {
  readonly #now: () => number;
  /** Milliseconds lately spent on encoding, and on waiting until the line took what was encoded. */
  #encoding = 0;
  #waiting = 0;
  #level: Level;
  readonly #fixed: boolean;

  constructor(level: PaceLevel = 'auto', now: () => number = () => performance.now()) {
    this.#level = level === 'auto' ? 'fast' : level;
    this.#fixed = level !== 'auto';
    this.#now = now;
  }

  /** For the next path. */
  readonly level = (): Level => {
    if (this.#fixed) return this.#level;
    if (this.#level === 'fast' && this.#waiting > bestCosts * this.#encoding) this.#level = 'best';
    else if (this.#level === 'best' && this.#waiting < this.#encoding) this.#level = 'fast';
    return this.#level;
  };

  /** The same chunks; measures how long each takes to be made, and to be taken. */
  async *measured(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    let since = this.#now();
    for await (const chunk of chunks) {
      const made = this.#now();
      yield chunk;
      const taken = this.#now();
      this.#count(made - since, taken - made);
      since = taken;
    }
  }

  #count(encoding: number, waiting: number): void {
    const kept = 0.5 ** ((encoding + waiting) / memory);
    this.#encoding = this.#encoding * kept + encoding;
    this.#waiting = this.#waiting * kept + waiting;
  }
}
