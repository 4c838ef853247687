// Prediction of the addresses in a copied executable: the target of each field goes where the runs took the bytes it pointed
// to. What is told about wrong predictions ("mends") teaches both sides alike.

import { baseOf, rowAt } from '../elf/field-list.ts';
import type { FieldPart, Fields } from '../elf/field-list.ts';
import { anchors, type ElfImage } from '../elf/image.ts';
import { kinds, putField, readTarget, widthOf } from '../elf/kinds.ts';
import { pseudoBase } from '../elf/segments.ts';
import type { Ground } from './ground.ts';
import type { Guide } from './guide.ts';
import { Learned } from './learned.ts';
import { Nearest } from './nearest.ts';
import { RunMap, stretchOf } from './run-map.ts';
import type { Runs } from './runs.ts';
import { TargetMap } from './target-map.ts';
import type { Part } from './window.ts';

/** By kind, of those that count from the end of an instruction or from themselves: how far behind the field's begin. */
const behind = Uint8Array.of(0, 4, 5, 6, 8, 0);
const two32 = 2 ** 32;
/** Rows that are predicted together: three loops over few rows are faster than one that does all. */
const batch = 1024;

export class Predictor {
  readonly #old: ElfImage;
  readonly #fresh: ElfImage;
  readonly #fields: Fields;
  readonly #map: RunMap;
  readonly #targetMap: TargetMap;
  readonly #anchors: ReadonlyMap<number, number>;
  readonly #learned = new Learned();
  readonly #nearest: Nearest;
  /** Of each row of a batch its old target, and where the runs took it: NaN for one without bytes. */
  readonly #targets: Float64Array = new Float64Array(batch);
  readonly #guesses: Float64Array = new Float64Array(batch);
  /** The last base that was asked for, and the answer. */
  #base = 0;
  #freshBase = 0;

  constructor({ old, oldImage, fields, freshImage, start }: Ground, runs: Runs) {
    this.#old = oldImage;
    this.#fresh = freshImage;
    this.#fields = fields;
    this.#map = new RunMap(runs, start, old.size, freshImage);
    this.#targetMap = new TargetMap(oldImage, this.#map);
    this.#nearest = new Nearest(oldImage.bytesEnd, oldImage.addressEnd);
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
    const shift = part.begin - part.old;
    for (; low < fields.length && fields[low]!.section.offset < end; low++) {
      const rows = fields[low]!;
      const stop = rowsBefore(rows, end);
      for (let row = rowAt(rows, part.old); row < stop; row += batch) {
        const count = Math.min(batch, stop - row);
        this.#readTargets(rows, row, count, bytes, view, shift);
        this.#targetMap.follow(this.#targets, count, this.#guesses);
        this.#put(rows, row, count, bytes, view, shift, start, guide);
      }
    }
  }

  /** The old targets of some rows, whose bytes stand in a window, `shift` from their places in the old file. */
  #readTargets(fields: FieldPart, first: number, count: number, bytes: Buffer, view: DataView, shift: number): void {
    const { offset, kind, section } = fields;
    const targets = this.#targets;
    const toAddress = section.address - section.offset;
    for (let i = 0; i < count; i++) {
      const from = offset[first + i]!;
      const which = kind[first + i]!;
      const at = from + shift;
      if (which <= kinds.relativeSelf) targets[i] = from + toAddress + behind[which]! + view.getInt32(at, true);
      else if (which === kinds.absolute64 || which === kinds.word)
        targets[i] = view.getUint32(at, true) + view.getUint32(at + 4, true) * two32;
      else targets[i] = this.#readOther(fields, first + i, bytes, at);
    }
  }

  #readOther(fields: FieldPart, row: number, bytes: Buffer, at: number): number {
    const { kind, offset, hint, section } = fields;
    const place = offset[row]! + section.address - section.offset;
    const known = hint === undefined ? 0 : this.#old.low + hint[row]!;
    return readTarget(bytes, at, kind[row]!, place, this.#old, baseOf(fields, row, this.#old), known);
  }

  /** Writes some rows whose targets and guesses are known, as far as nothing was learned of them. */
  #put(
    fields: FieldPart,
    first: number,
    count: number,
    bytes: Buffer,
    view: DataView,
    shift: number,
    start: number,
    guide: Guide,
  ): void {
    const { offset, kind } = fields;
    const targets = this.#targets;
    const guesses = this.#guesses;
    const learned = this.#learned;
    const { truth } = guide;
    let right = guide.right | 0;
    let passed = guide.passed | 0;
    let freshShift = 0;
    let stretchEnd = 0;
    for (let i = 0; i < count; i++) {
      const target = targets[i]!;
      const which = kind[first + i]!;
      const at = offset[first + i]! + shift;
      if (start + at >= stretchEnd) {
        const stretch = stretchOf(this.#fresh.stretches, start + at)!;
        freshShift = stretch.shift + start;
        stretchEnd = stretch.end;
      }
      const known = learned.get(target);
      let guess = known === known ? known : guesses[i]!;
      const isOutside = guess !== guess;
      if (isOutside) guess = target + this.#nearest.shiftOf(target);
      let mended = guess;
      if (which <= kinds.relativeSelf) {
        const from = at + freshShift + behind[which]!;
        if (right > 0) right--;
        else if (truth !== undefined && truth.getInt32(at, true) === guess - from) passed++;
        else {
          guide.passed = passed;
          mended = guide.mend(bytes, at, which, at + freshShift, 0, guess);
          right = guide.right | 0;
          passed = 0;
        }
        const value = mended - from;
        if (value >= -0x80000000 && value < 0x80000000) view.setInt32(at, value, true);
      } else if (which === kinds.absolute64 || which === kinds.word) {
        if (right > 0) right--;
        else if (truth !== undefined && truth.getUint32(at, true) + truth.getUint32(at + 4, true) * two32 === guess)
          passed++;
        else {
          guide.passed = passed;
          mended = guide.mend(bytes, at, which, at + freshShift, 0, guess);
          right = guide.right | 0;
          passed = 0;
        }
        if (mended >= 0 && mended < pseudoBase) {
          view.setInt32(at, mended, true);
          view.setInt32(at + 4, mended / two32, true);
        }
      } else {
        const oldBase = baseOf(fields, first + i, this.#old);
        const base = oldBase === 0 ? 0 : this.#baseOf(oldBase);
        if (right > 0) right--;
        else {
          guide.passed = passed;
          mended = guide.mend(bytes, at, which, at + freshShift, base, guess);
          right = guide.right | 0;
          passed = 0;
        }
        putField(bytes, at, which, at + freshShift, mended, this.#fresh, base);
      }
      if (isOutside || mended !== guess) this.#learn(target, mended, guess, isOutside);
    }
    guide.right = right;
    guide.passed = passed;
  }

  /** Bases are not learned: one wrong mend would cost all fields that count from it. */
  #baseOf(old: number): number {
    if (this.#base === old) return this.#freshBase;
    const offset = this.#old.offsetOf(old);
    this.#base = old;
    this.#freshBase = this.#anchors.get(old) ?? (offset < 0 ? old : this.#map.addressOf(offset));
    return this.#freshBase;
  }

  #learn(old: number, fresh: number, guess: number, isOutside: boolean): void {
    if (fresh !== guess) this.#learned.set(old, fresh);
    if (isOutside || this.#old.offsetOf(old) < 0) this.#nearest.teach(old, fresh - old);
  }
}

/** The rows whose fields end by `end` of the old file. */
function rowsBefore(fields: FieldPart, end: number): number {
  const row = rowAt(fields, end);
  return row > 0 && fields.offset[row - 1]! + widthOf(fields.kind[row - 1]!) > end ? row - 1 : row;
}
