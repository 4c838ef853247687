// Addresses in x86-64 code: relative targets of calls and jumps, operands relative to the instruction pointer, and plain
// addresses in code that is not moved. One sweep over the instructions, which finds back into step by itself after data.

import type { FieldList } from './field-list.ts';
import type { ElfImage } from './image.ts';
import { kinds } from './kinds.ts';
import type { Marks } from './marks.ts';
import { fixedLow, InstructionReader, longest } from './x86-64-instruction.ts';
import type { CodePart } from './x86-64-instruction.ts';
import { classes, makeShapes } from './x86-64-shapes.ts';
import type { Shapes } from './x86-64-shapes.ts';

const made: { moved?: Shapes; fixed?: Shapes } = {};

/** Room for the fields of so many bytes is made at once: no instruction has more fields than bytes. */
const stretch = 1 << 12;
/** Distances within an image up to this size fit into 32 bits, whatever an instruction holds. */
const widest = 2 ** 30;

/** By class: the kind of its field, and how far before the instruction's end the field begins. */
const kindOf = Uint8Array.of(0, kinds.relative, kinds.relative, kinds.relative1, kinds.relative2, kinds.relative4, 1);
const back = Int32Array.of(4, 4, 4, 5, 6, 8, 4);

/**
 * Appends the fields of a part of some code and says how far it got: whole instructions. Marks what a lea names, which may be
 * a jump table.
 */
export function sweepCode(part: CodePart, image: ElfImage, list: FieldList, marks: Marks): number {
  const { bytes, at: origin, isLast } = part;
  const reader = new InstructionReader(part, image, list, marks);
  const safe = bytes.length - longest;
  let at = 0;
  if (list.section.role === 'code' && image.addressEnd - image.low < widest) {
    // Before the first few bytes there is no place for a field.
    while (at < longest && at < safe) at = reader.read(at);
    const sweep = new ShapeSweep(part, image, list, marks, reader);
    while (at < safe) at = sweep.read(at, Math.min(at + stretch, safe));
  }
  while (at < (isLast ? bytes.length : safe)) at = reader.read(at);
  // An instruction that is cut off counts as whole.
  return isLast ? list.section.size - origin : at;
}

/** Reads instructions by their shapes. */
class ShapeSweep {
  readonly #view: DataView;
  readonly #list: FieldList;
  readonly #marks: Marks;
  readonly #reader: InstructionReader;
  readonly #shapes: Shapes;
  readonly #low: number;
  /** File offset of the first byte. */
  readonly #place: number;
  /** Its distance from the lowest address. */
  readonly #shift: number;
  /** By class: the lowest and highest distance from the lowest address that a target may have. */
  readonly #first: Int32Array;
  readonly #last: Int32Array;

  constructor(
    { bytes, at }: CodePart,
    { low, addressEnd, codeLow, codeEnd, fixed }: ElfImage,
    list: FieldList,
    marks: Marks,
    reader: InstructionReader,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#list = list;
    this.#marks = marks;
    this.#reader = reader;
    this.#shapes = fixed && low >= fixedLow ? (made.fixed ??= makeShapes(true)) : (made.moved ??= makeShapes(false));
    this.#low = low;
    this.#place = list.section.offset + at;
    this.#shift = list.section.address + at - low;
    const last = addressEnd - 1 - low;
    this.#first = Int32Array.of(1, codeLow - low, 0, 0, 0, 0, 0);
    this.#last = Int32Array.of(0, codeEnd - 1 - low, last, last, last, last, last);
  }

  /**
   * Reads the instructions that begin before `stop`, which must be within a stretch; where the next one begins. Each is taken
   * for one with a field, only the number of rows knows better: branches that no processor foresees cost more.
   */
  read(from: number, stop: number): number {
    const list = this.#list;
    list.reserve(stretch + longest);
    const { offset, kind } = list;
    const { leads, shapes } = this.#shapes;
    const view = this.#view;
    const first = this.#first;
    const last = this.#last;
    const place = this.#place;
    const shift = this.#shift;
    let row = list.count;
    let at = from;
    while (at < stop) {
      const word = view.getInt32(at);
      const lead = leads[word >>> 16]!;
      const opcode = at + (lead & 3);
      const shape = shapes[((lead & 4) << 14) | ((word << ((lead & 3) << 3)) >>> 16)]!;
      const end = opcode + (shape & 15);
      const what = shape >> 4;
      if (what < classes.scaled) {
        const field = end - back[what]!;
        const target = (end + view.getInt32(field, true) + shift) | 0;
        offset[row] = field + place;
        kind[row] = kindOf[what]!;
        row += 1 ^ (((target - first[what]!) | (last[what]! - target)) >>> 31);
        if (what === classes.address) this.#marks.add(target + this.#low);
        at = end;
      } else if (what === classes.scaled) at = (view.getUint8(opcode + 2) & 7) === 5 ? end + 4 : end;
      else {
        list.count = row;
        at = this.#reader.read(at);
        row = list.count;
      }
    }
    list.count = row;
    return at;
  }
}
