// Realignment: within runs, stretches where many bytes differ are looked at again. Tables whose entries look alike (symbols,
// relocations) let a run go on one entry off; there another old place gives better bytes, and the run is split.

import { gain, loss } from './extend.ts';
import { Runs } from './runs.ts';
import type { Seeds } from './seeds.ts';

/** How much better another place must be, in the sums of extension, for the two more runs it costs. */
const least = 60;
/** An extension ends when its sum lies this far below its highest, or has not risen for this many bytes. */
const patience = 120;
const calm = 512;
/** Of this many bytes more than `dense` differ where another place is searched. */
const stretch = 32;
const dense = 3;
/** The more searches fail in a row, the more bytes are left out before the next, up to this many. */
const maxRest = 2048;

/** What is realigned. */
export interface Alignment {
  readonly old: Buffer;
  readonly fresh: Buffer;
  readonly index: Seeds;
  readonly tries: number;
}

/** Runs like the given ones, but split where other old places serve better. */
export function realign(work: Alignment, runs: Runs): Runs {
  const better = new Runs();
  const search = new Realigner(work, better);
  for (let i = 0; i < runs.count; i++) search.split(runs.fresh[i]!, runs.old[i]!, runs.length[i]!);
  return better;
}

class Realigner {
  readonly #old: Buffer;
  readonly #fresh: Buffer;
  readonly #view: DataView;
  readonly #index: Seeds;
  readonly #tries: number;
  readonly #out: Runs;
  /** Old minus fresh place of the last stretch that was found. */
  #shift = 0;
  /** Stretches in a row where nothing was found. */
  #failures = 0;

  constructor({ old, fresh, index, tries }: Alignment, out: Runs) {
    this.#old = old;
    this.#fresh = fresh;
    this.#view = new DataView(fresh.buffer, fresh.byteOffset, fresh.length);
    this.#index = index;
    this.#tries = tries;
    this.#out = out;
  }

  split(freshAt: number, oldAt: number, length: number): void {
    const base = oldAt - freshAt;
    const end = freshAt + length;
    let done = freshAt;
    let at = freshAt;
    while (at < end) {
      at = this.#nextDense(at, end, base);
      if (at >= end) break;
      const found = this.#search(at, done, end, base);
      if (found === undefined) {
        at += stretch + Math.min(maxRest, this.#failures * this.#failures++);
        continue;
      }
      this.#failures = 0;
      if (found.begin > done) this.#out.push(done, done + base, found.begin - done);
      this.#out.push(found.begin, found.begin + found.shift, found.end - found.begin);
      this.#shift = found.shift;
      done = found.end;
      at = done;
    }
    if (done < end) this.#out.push(done, done + base, end - done);
  }

  #search(at: number, done: number, end: number, base: number): Stretch | undefined {
    const stop = Math.min(end, at + stretch);
    for (let i = at; i < stop; i++) {
      const found = this.#best(i, done, end, base);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The next place from `at` on that begins a stretch where many bytes differ. */
  #nextDense(at: number, end: number, base: number): number {
    const old = this.#old;
    const fresh = this.#fresh;
    let i = at;
    while (i < end) {
      const stop = Math.min(end, i + 1024);
      if (stop - i === 1024 && fresh.compare(old, i + base, stop + base, i, stop) === 0) {
        i = stop;
        continue;
      }
      for (; i < stop; i++) {
        if (fresh[i] === old[i + base]) continue;
        let different = 0;
        const near = Math.min(end, i + stretch);
        for (let k = i; k < near; k++) if (fresh[k] !== old[k + base]) different++;
        if (different > dense) return i;
      }
    }
    return end;
  }

  #best(at: number, done: number, end: number, base: number): Stretch | undefined {
    let best = this.#shift === base ? undefined : this.#extend(at, done, end, base, this.#shift);
    if (at + this.#index.length > end) return best;
    let place = this.#index.find(this.#view, at);
    for (let tries = this.#tries; place >= 0 && tries > 0; tries--, place = this.#index.next(place)) {
      const shift = place - at;
      if (shift === base || shift === this.#shift || this.#old[place] !== this.#fresh[at]) continue;
      const other = this.#extend(at, done, end, base, shift);
      if (other !== undefined && (best === undefined || other.sum > best.sum)) best = other;
    }
    return best;
  }

  /** The stretch around `at` that `shift` gives better than `base`. */
  #extend(at: number, done: number, end: number, base: number, shift: number): Stretch | undefined {
    const old = this.#old;
    const fresh = this.#fresh;
    const low = Math.max(done, -shift);
    const high = Math.min(end, old.length - shift);
    if (at < low || at >= high) return undefined;
    let sum = 0;
    let ahead = 0;
    let stop = at;
    for (let i = at; i < high; i++) {
      const byte = fresh[i];
      if (old[i + shift] === byte) sum += gain + loss;
      if (old[i + base] === byte) sum -= gain + loss;
      if (sum > ahead) {
        ahead = sum;
        stop = i + 1;
      } else if (sum < ahead - patience || i - stop > calm) break;
    }
    if (ahead === 0) return undefined;
    sum = 0;
    let behind = 0;
    let begin = at;
    for (let i = at - 1; i >= low; i--) {
      const byte = fresh[i];
      if (old[i + shift] === byte) sum += gain + loss;
      if (old[i + base] === byte) sum -= gain + loss;
      if (sum > behind) {
        behind = sum;
        begin = i;
      } else if (sum < behind - patience || begin - i > calm) break;
    }
    return ahead + behind < least ? undefined : { begin, end: stop, shift, sum: ahead + behind };
  }
}

interface Stretch {
  readonly begin: number;
  readonly end: number;
  readonly shift: number;
  readonly sum: number;
}
