// Mends: fields whose target was predicted wrong, each by the number of right fields before it and the target's difference.

import { formatError } from '../../errors.ts';
import type { ColumnReader, ColumnWriter } from '../columns.ts';
import type { ElfImage } from '../elf/image.ts';
import { putField, readTarget, widthOf } from '../elf/kinds.ts';
import type { Guide } from './guide.ts';
import { column } from './layout.ts';

/** Finds the mends at the side that knows the fresh bytes, and writes them. */
export class MendWriter implements Guide {
  right = 0;
  passed = 0;
  truth: DataView | undefined;
  readonly #out: ColumnWriter;
  readonly #image: ElfImage;
  readonly #scratch: Buffer = Buffer.alloc(8);
  #right = 0;
  #count = 0;
  /** The true bytes of the window. */
  #fresh: Buffer = this.#scratch;

  constructor(out: ColumnWriter, image: ElfImage) {
    this.#out = out;
    this.#image = image;
  }

  /** Tells the true bytes of the next window. */
  begin(fresh: Buffer): void {
    this.#fresh = fresh;
    this.truth = new DataView(fresh.buffer, fresh.byteOffset, fresh.length);
  }

  mend(bytes: Uint8Array, at: number, kind: number, place: number, base: number, guess: number): number {
    this.#right += this.passed;
    this.passed = 0;
    const target = readTarget(this.#fresh, at, kind, place, this.#image, base, guess);
    if (target === guess || !this.#isTrue(bytes, at, kind, place, base, target)) {
      this.#right++;
      return guess;
    }
    this.#out.varint(column.fieldSkip, this.#right);
    this.#out.signed(column.mend, target - guess);
    this.#right = 0;
    this.#count++;
    return target;
  }

  /** Whether the field, written with this target, has all the true bytes, and the target exists. */
  #isTrue(bytes: Uint8Array, at: number, kind: number, place: number, base: number, target: number): boolean {
    const image = this.#image;
    if (!(target >= 0) || (image.offsetOf(target) < 0 && (target < image.low || target > image.addressEnd)))
      return false;
    const width = widthOf(kind);
    const scratch = this.#scratch;
    for (let i = 0; i < width; i++) scratch[i] = bytes[at + i]!;
    if (!putField(scratch, 0, kind, place, target, this.#image, base)) return false;
    for (let i = 0; i < width; i++) if (scratch[i] !== this.#fresh[at + i]) return false;
    return true;
  }

  /** Writes how many there were in this window. */
  end(): void {
    this.#out.varint(column.head, this.#count);
    this.#count = 0;
    this.#right = 0;
    this.passed = 0;
  }
}

/** More than fields can be in a window. */
const many = 2 ** 30;

/** Reads mends. */
export class MendReader implements Guide {
  right = 0;
  passed = 0;
  readonly truth: undefined;
  readonly #input: ColumnReader;
  #left: number;

  constructor(input: ColumnReader) {
    this.#input = input;
    this.#left = input.varint(column.head);
    this.#next();
  }

  #next(): void {
    this.right = this.#left-- > 0 ? Math.min(many, this.#input.varint(column.fieldSkip)) | 0 : many;
  }

  /** Throws where mends are left that no field took. */
  expectEnd(): void {
    if (this.#left >= 0) throw formatError('a delta that mends more fields than there are', {});
  }

  mend(_bytes: Uint8Array, _at: number, _kind: number, _place: number, _base: number, guess: number): number {
    const target = guess + this.#input.signed(column.mend);
    this.#next();
    return target;
  }
}
