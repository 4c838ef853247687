// Prediction of the addresses in a copied executable: the target of each field goes where the runs took the bytes it pointed
// to. What is told about wrong predictions ("mends") teaches both sides alike.

import { baseOf, rowAt } from '../elf/field-list.ts';
import type { FieldPart, Fields } from '../elf/field-list.ts';
import { anchors, type ElfImage } from '../elf/image.ts';
import { kinds, putField, readTarget, widthOf } from '../elf/kinds.ts';
import { pseudoBase } from '../elf/segments.ts';
import { Learned } from './learned.ts';
import { Nearest } from './nearest.ts';
import { RunMap, stretchOf } from './run-map.ts';
import type { Ground } from './predicted.ts';
import type { Runs } from './runs.ts';
import type { Part } from './window.ts';

/** Tells of each predicted field where it really points to. */
export interface Guide {
  /** So many of the next fields are right; `mend` is called of the first that is not among them. */
  right: number;
  /** The true target of the field at `at` of `bytes`; `guess` where the prediction holds. */
  mend(bytes: Uint8Array, at: number, kind: number, place: number, base: number, guess: number): number;
}

/** By kind, of those that count from the end of an instruction or from themselves: how far behind the field's begin. */
const behind = Uint8Array.of(0, 4, 5, 6, 8, 0);
const two32 = 2 ** 32;

export class Predictor {
  readonly #old: ElfImage;
  readonly #fresh: ElfImage;
  readonly #fields: Fields;
  readonly #map: RunMap;
  readonly #anchors: ReadonlyMap<number, number>;
  readonly #learned = new Learned();
  readonly #nearest: Nearest;
  /** Whether the last question was for a target without bytes that nothing was learned of. */
  #isOutside = false;
  /** Of each old stretch its addresses, and what gives their offsets. */
  readonly #lows: Float64Array;
  readonly #highs: Float64Array;
  readonly #toOffsets: Float64Array;
  /** The stretch where the last target was. */
  #low = 0;
  #high = 0;
  #toOffset = 0;
  /** The last base that was asked for, and the answer. */
  #base = 0;
  #freshBase = 0;

  constructor({ old, oldImage, fields, freshImage, start }: Ground, runs: Runs) {
    this.#old = oldImage;
    this.#fresh = freshImage;
    this.#fields = fields;
    this.#map = new RunMap(runs, start, old.size, freshImage);
    this.#nearest = new Nearest(oldImage.bytesEnd, oldImage.addressEnd);
    this.#lows = Float64Array.from(oldImage.stretches, ({ begin, shift }) => begin + shift);
    this.#highs = Float64Array.from(oldImage.stretches, ({ end, shift }) => end + shift);
    this.#toOffsets = Float64Array.from(oldImage.stretches, ({ shift }) => -shift);
    const pairs = anchors(oldImage, freshImage);
    const known = new Map<number, number>();
    for (let i = 0; i < pairs.length; i += 2) {
      known.set(pairs[i]!, pairs[i + 1]!);
      this.#learned.set(pairs[i]!, pairs[i + 1]!);
    }
    this.#anchors = known;
  }

  /** Makes the fields of a part anew; `bytes` is a window that stands at `start` of the fresh file. */
  predict(bytes: Buffer, part: Part, start: number, guide: Guide): void {
    const end = part.old + part.end - part.begin;
    const fields = this.#fields;
    let low = 0;
    let high = fields.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { section } = fields[middle]!;
      if (section.offset + section.size <= part.old) low = middle + 1;
      else high = middle;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (; low < fields.length && fields[low]!.section.offset < end; low++)
      this.#predictPart(fields[low]!, part, view, bytes, start, guide);
  }

  #predictPart(fields: FieldPart, part: Part, view: DataView, bytes: Buffer, start: number, guide: Guide): void {
    const { offset, kind, count, section } = fields;
    const shift = part.begin - part.old;
    const end = part.old + part.end - part.begin;
    const oldShift = section.address - section.offset;
    let freshShift = 0;
    let stretchEnd = 0;
    let right = guide.right | 0;
    for (let i = rowAt(fields, part.old); i < count && offset[i]! + 4 <= end; i++) {
      const from = offset[i]!;
      const which = kind[i]!;
      const at = from + shift;
      if (start + at >= stretchEnd) {
        const stretch = stretchOf(this.#fresh.stretches, start + at)!;
        freshShift = stretch.shift + start;
        stretchEnd = stretch.end;
      }
      if (which <= kinds.relativeSelf) {
        const size = behind[which]!;
        const target = from + oldShift + size + view.getInt32(at, true);
        const guess = this.#targetOf(target);
        let mended = guess;
        if (right > 0) right--;
        else {
          mended = guide.mend(bytes, at, which, at + freshShift, 0, guess);
          right = guide.right | 0;
        }
        if (this.#isOutside || mended !== guess) this.#learn(target, mended, guess);
        const value = mended - at - freshShift - size;
        if (value >= -0x80000000 && value < 0x80000000) view.setInt32(at, value, true);
      } else if (which === kinds.absolute64 || which === kinds.word) {
        if (from + 8 > end) break;
        const target = view.getUint32(at, true) + view.getUint32(at + 4, true) * two32;
        const guess = this.#targetOf(target);
        let mended = guess;
        if (right > 0) right--;
        else {
          mended = guide.mend(bytes, at, which, at + freshShift, 0, guess);
          right = guide.right | 0;
        }
        if (this.#isOutside || mended !== guess) this.#learn(target, mended, guess);
        if (mended >= 0 && mended < pseudoBase) {
          view.setInt32(at, mended, true);
          view.setInt32(at + 4, mended / two32, true);
        }
      } else {
        if (from + widthOf(which) > end) break;
        guide.right = right;
        this.#predictOther(fields, i, bytes, at, at + freshShift, guide);
        right = guide.right | 0;
      }
    }
    guide.right = right;
  }

  #predictOther(fields: FieldPart, row: number, bytes: Buffer, at: number, place: number, guide: Guide): void {
    const { kind, offset, hint, section } = fields;
    const which = kind[row]!;
    const oldPlace = offset[row]! + section.address - section.offset;
    const oldBase = baseOf(fields, row, this.#old);
    const known = hint === undefined ? 0 : this.#old.low + hint[row]!;
    const target = readTarget(bytes, at, which, oldPlace, this.#old, oldBase, known);
    const base = oldBase === 0 ? 0 : this.#baseOf(oldBase);
    const guess = this.#targetOf(target);
    let mended = guess;
    if (guide.right > 0) guide.right--;
    else mended = guide.mend(bytes, at, which, place, base, guess);
    if (this.#isOutside || mended !== guess) this.#learn(target, mended, guess);
    putField(bytes, at, which, place, mended, this.#fresh, base);
  }

  /** Bases are not learned: one wrong mend would cost all fields that count from it. */
  #baseOf(old: number): number {
    if (this.#base === old) return this.#freshBase;
    const offset = this.#old.offsetOf(old);
    this.#base = old;
    this.#freshBase = this.#anchors.get(old) ?? (offset < 0 ? old : this.#map.addressOf(offset));
    return this.#freshBase;
  }

  #targetOf(old: number): number {
    const learned = this.#learned.get(old);
    if (learned === learned) return learned;
    if ((old < this.#low || old >= this.#high) && !this.#enter(old)) {
      this.#isOutside = true;
      return old + this.#nearest.shiftOf(old);
    }
    return this.#map.addressOf(old + this.#toOffset);
  }

  /** Goes to the stretch of an address; false where there is none. */
  #enter(old: number): boolean {
    const lows = this.#lows;
    const highs = this.#highs;
    for (let i = 0; i < lows.length; i++) {
      if (old < lows[i]! || old >= highs[i]!) continue;
      this.#low = lows[i]!;
      this.#high = highs[i]!;
      this.#toOffset = this.#toOffsets[i]!;
      return true;
    }
    return false;
  }

  #learn(old: number, fresh: number, guess: number): void {
    if (fresh !== guess) this.#learned.set(old, fresh);
    if (this.#isOutside || this.#old.offsetOf(old) < 0) this.#nearest.teach(old, fresh - old);
    this.#isOutside = false;
  }
}
