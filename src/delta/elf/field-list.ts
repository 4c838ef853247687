// Fields as they are found, one row a field: growing typed arrays of a few bytes a row, because a file can have millions.

import { giveBack } from '../give-back.ts';
import { kinds, readTarget } from './kinds.ts';
import type { ElfImage } from './image.ts';
import type { Section } from './section.ts';

/** The fields of one section in the order of the file, not overlapping. */
export interface FieldPart {
  readonly section: Section;
  readonly count: number;
  /** Where each begins in the file. May be longer than there are rows. */
  readonly offset: Uint32Array;
  readonly kind: Uint8Array;
  /** What their bytes do not tell, as distances from the lowest address of the image: see `kinds`. */
  readonly hint: Uint32Array | undefined;
  /** What their values count from where no hint says it; 0: nothing. */
  readonly base: number;
}

/** The fields of a file: parts in the order of the file. */
export type Fields = readonly FieldPart[];

/** Appends the fields of one section. */
export class FieldList implements FieldPart {
  readonly section: Section;
  readonly base: number;
  count = 0;
  offset: Uint32Array;
  kind: Uint8Array;
  hint: Uint32Array | undefined;
  readonly #low: number;

  /** `hinted`: rows have hints. */
  constructor(section: Section, image: ElfImage, base: number, hinted = false) {
    this.section = section;
    this.base = base;
    this.#low = image.low;
    // Mostly far too much, which costs nothing: memory that is not written to takes no room.
    const room = Math.ceil(section.size / 8) + 64;
    this.offset = new Uint32Array(room);
    this.kind = new Uint8Array(room);
    if (hinted) this.hint = new Uint32Array(room);
  }

  /** `at`: from the section's begin on. */
  push(at: number, kind: number): void {
    if (this.count === this.offset.length) this.reserve(1);
    this.offset[this.count] = this.section.offset + at;
    this.kind[this.count++] = kind;
  }

  /** The same for a list with hints; false for an address that no hint can be. */
  pushHinted(at: number, kind: number, address: number): boolean {
    const hint = address - this.#low;
    if (!(hint >= 0 && hint < 2 ** 32)) return false;
    this.push(at, kind);
    this.hint![this.count - 1] = hint;
    return true;
  }

  /** Another hint for a row. */
  correct(row: number, address: number): void {
    this.hint![row] = address - this.#low;
  }

  /** Takes back the last rows, those at `at` and behind. */
  dropFrom(at: number): void {
    while (this.count > 0 && this.offset[this.count - 1]! >= this.section.offset + at) this.count--;
  }

  /** Makes room for so many more rows, so that a hot loop may write to the arrays itself. */
  reserve(rows: number): void {
    if (this.count + rows <= this.offset.length) return;
    const room = Math.max(this.offset.length * 2, this.count + rows);
    const grown = <T extends { set(from: T): void }>(from: T, into: T): T => {
      into.set(from);
      return into;
    };
    this.offset = grown(this.offset, new Uint32Array(room));
    this.kind = grown(this.kind, new Uint8Array(room));
    if (this.hint !== undefined) this.hint = grown(this.hint, new Uint32Array(room));
  }
}

/** Gives the memory of fields back that nobody looks at any more. */
export function giveFieldsBack(fields: Fields): void {
  for (const { offset, kind, hint } of fields) for (const rows of [offset, kind, hint]) if (rows) giveBack(rows);
}

/** The first row at `offset` of the file or behind it. */
export function rowAt({ count, offset }: FieldPart, from: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offset[middle]! < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What the value of a row's field counts from; 0: nothing. */
export function baseOf({ kind, hint, base }: FieldPart, row: number, image: ElfImage): number {
  return hint === undefined || kind[row] !== kinds.based ? base : image.low + hint[row]!;
}

/** Where the field of a row points to; its bytes begin at `at` of `bytes`. */
export function targetOf(part: FieldPart, row: number, bytes: Uint8Array, at: number, image: ElfImage): number {
  const { section, hint } = part;
  const place = part.offset[row]! + section.address - section.offset;
  const guess = hint === undefined ? 0 : image.low + hint[row]!;
  return readTarget(bytes, at, part.kind[row]!, place, image, baseOf(part, row, image), guess);
}
