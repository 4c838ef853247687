// Prediction of the addresses in a copied executable: the target of each field goes where the runs took the bytes it pointed
// to. What is told about wrong predictions ("mends") teaches both sides alike.

import { anchors, type ElfImage } from '../elf/image.ts';
import type { Fields } from '../elf/fields.ts';
import { putField, widthOf } from '../elf/kinds.ts';
import { Learned } from './learned.ts';
import { RunMap } from './run-map.ts';
import type { Ground } from './predicted.ts';
import type { Runs } from './runs.ts';
import type { Part } from './window.ts';

/** Tells of each predicted field where it really points to. */
export interface Guide {
  /** The true target of the field at `at` of `bytes`; `guess` where the prediction holds. */
  mend(bytes: Uint8Array, at: number, kind: number, place: number, base: number, guess: number): number;
}

const memoShift = 18;

export class Predictor {
  readonly #old: ElfImage;
  readonly #fresh: ElfImage;
  readonly #fields: Fields;
  readonly #map: RunMap;
  readonly #learned = new Learned();
  /** The last answers to questions for targets, by their hashes. */
  readonly #asked: Float64Array = new Float64Array(1 << (32 - memoShift)).fill(-1);
  readonly #answers: Float64Array = new Float64Array(1 << (32 - memoShift));
  /** How far the last mended target went that lies in no byte of the old file. */
  #shift = 0;

  constructor({ old, oldImage, fields, freshImage, start }: Ground, runs: Runs) {
    this.#old = oldImage;
    this.#fresh = freshImage;
    this.#fields = fields;
    this.#map = new RunMap(runs, start, old.size);
    const pairs = anchors(oldImage, freshImage);
    for (let i = 0; i < pairs.length; i += 2) this.#learned.set(pairs[i]!, pairs[i + 1]!);
  }

  /** Makes the fields of a part anew; `bytes` is a window that stands at `place` of the fresh file. */
  predict(bytes: Uint8Array, part: Part, start: number, guide: Guide): void {
    const { count, offset, kind, target, base, bases } = this.#fields;
    const shift = part.begin - part.old;
    const end = part.old + part.end - part.begin;
    for (let i = this.#firstField(part.old); i < count && offset[i]! < end; i++) {
      const which = kind[i]!;
      if (offset[i]! + widthOf(which) > end) break;
      const at = offset[i]! + shift;
      const place = this.#fresh.addressOf(start + at);
      const origin = base[i]! === 0 ? 0 : this.#targetOf(bases[base[i]!]!);
      const guess = this.#targetOf(target[i]!);
      const mended = guide.mend(bytes, at, which, place, origin, guess);
      putField(bytes, at, which, place, mended, this.#fresh, origin);
      if (mended !== guess) this.#learn(target[i]!, mended);
    }
  }

  #firstField(from: number): number {
    const { count, offset } = this.#fields;
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (offset[middle]! < from) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #targetOf(old: number): number {
    const slot = Math.imul(old | 0, 0x9e3779b1) >>> memoShift;
    if (this.#asked[slot] === old) return this.#answers[slot]!;
    const learned = this.#learned.get(old);
    if (learned === undefined) {
      const offset = this.#old.offsetOf(old);
      if (offset < 0) return old + this.#shift;
      this.#answers[slot] = this.#fresh.addressOf(this.#map.freshOf(offset));
    } else this.#answers[slot] = learned;
    this.#asked[slot] = old;
    return this.#answers[slot]!;
  }

  #learn(old: number, fresh: number): void {
    this.#learned.set(old, fresh);
    this.#asked[Math.imul(old | 0, 0x9e3779b1) >>> memoShift] = -1;
    if (this.#old.offsetOf(old) < 0) this.#shift = fresh - old;
  }
}
