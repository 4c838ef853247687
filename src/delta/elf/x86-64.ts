// Addresses in x86-64 code: relative targets of calls and jumps, operands relative to the instruction pointer, and plain
// addresses in code that is not moved. One sweep over the instructions, which finds back into step by itself after data.

import type { FieldList } from './field-list.ts';
import type { ElfImage } from './image.ts';
import { kinds } from './kinds.ts';
import type { Marks } from './marks.ts';
import { fixedLow, InstructionReader, relativeKind } from './x86-64-instruction.ts';
import type { CodePart } from './x86-64-instruction.ts';
import { classes, makeShapes } from './x86-64-shapes.ts';
import type { Shapes } from './x86-64-shapes.ts';

const made: { moved?: Shapes; fixed?: Shapes } = {};

/** No instruction is longer, so nothing before is cut off by the end. */
const longest = 24;
/** Room for the fields of so many bytes is made at once: no instruction has more fields than bytes. */
const stretch = 1 << 14;

/** Appends the fields of a run of code; marks what a lea names, which may be a jump table. */
export function sweepCode(bytes: Uint8Array, part: CodePart, image: ElfImage, list: FieldList, marks: Marks): void {
  const { to, shift } = part;
  const { low, addressEnd, codeLow, codeEnd } = image;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const plain = image.fixed && low >= fixedLow;
  const tables = plain ? (made.fixed ??= makeShapes(true)) : (made.moved ??= makeShapes(false));
  const { leads, shapes } = tables;
  const reader = new InstructionReader(bytes, part, image, list, marks);
  const safe = part.relocations === 0 ? to - longest : 0;
  let at = part.from;
  while (at < safe) {
    list.reserve(stretch);
    const { offset, kind, target } = list;
    let row = list.count;
    const stop = Math.min(at + stretch, safe);
    while (at < stop) {
      const word = view.getInt32(at, true);
      const lead = leads[word & 0xffff]!;
      const opcode = at + (lead & 3);
      const shape = shapes[((lead & 4) << 14) | ((word >>> ((lead & 3) << 3)) & 0xffff)]!;
      const end = opcode + (shape & 15);
      if (shape < 16) {
        at = end;
        continue;
      }
      const what = shape >> 4;
      if (what === classes.near) {
        const address = end + view.getInt32(end - 4, true) + shift;
        if (address >= codeLow && address < codeEnd) {
          offset[row] = end - 4;
          kind[row] = kinds.relative;
          target[row++] = address;
        }
        at = end;
      } else if (what === classes.relative || what === classes.address) {
        const address = end + view.getInt32(opcode + 2, true) + shift;
        if (address >= low && address < addressEnd) {
          offset[row] = opcode + 2;
          kind[row] = relativeKind(end - opcode - 6);
          target[row++] = address;
          if (what === classes.address) marks.add(address);
        }
        at = end;
      } else if (what === classes.scaled) at = (bytes[opcode + 2]! & 7) === 5 ? end + 4 : end;
      else {
        list.count = row;
        at = reader.read(at);
        row = list.count;
      }
    }
    list.count = row;
  }
  while (at < to) at = reader.read(at);
}
