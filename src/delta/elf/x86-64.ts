// Addresses in x86-64 code: relative targets of calls and jumps, operands relative to the instruction pointer, and plain
// addresses in code that is not moved. One sweep over the instructions, which finds back into step by itself after data.

import type { FieldList } from './field-list.ts';
import type { ElfImage } from './image.ts';
import { kinds } from './kinds.ts';
import type { Marks } from './marks.ts';
import { primary, secondary, traits } from './x86-64-opcodes.ts';

interface CodePart {
  /** Offsets of the code within the bytes. */
  readonly from: number;
  readonly to: number;
  /** Added to an offset gives the address. */
  readonly shift: number;
  /** Where it is the procedure linkage table: address of the relocations whose numbers its stubs push; else 0. */
  readonly relocations: number;
}

const pushOpcode = 0x68;
const fixedLow = 0x10000;

/** Appends the fields of a run of code; marks in `tables` what a lea names, which may be a jump table. */
export function sweepCode(bytes: Uint8Array, part: CodePart, image: ElfImage, list: FieldList, tables: Marks): void {
  const { to, shift, relocations } = part;
  const relocationBase = relocations === 0 ? 0 : list.baseAt(relocations);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { low, addressEnd } = image;
  const plainLow = image.fixed && low >= fixedLow ? low : Infinity;
  // The bounds of the executable segment around: nearly all targets are there, and comparing is all that is needed.
  const { codeLow, codeEnd } = codeBounds(image);
  let at = part.from;
  while (at < to) {
    let opcode = bytes[at++]!;
    let trait = primary[opcode]!;
    let narrow = false;
    let rexWide = false;
    let lea = opcode === 0x8d;
    while ((trait & traits.special) !== 0 && at < to) {
      if (opcode >= 0x40 && opcode <= 0x4f) {
        rexWide = (opcode & 8) !== 0;
        opcode = bytes[at++]!;
        trait = primary[opcode]!;
        lea = opcode === 0x8d;
      } else if (opcode === 0x0f) {
        opcode = bytes[at++]!;
        if (opcode === 0x38) {
          at++;
          trait = traits.modrm;
        } else if (opcode === 0x3a) {
          at++;
          trait = traits.modrm | traits.immediate8;
        } else trait = secondary[opcode]!;
      } else if (opcode === 0xc5) {
        trait = secondary[bytes[at + 1]!]! & ~8;
        at += 2;
      } else if (opcode === 0xc4 || opcode === 0x62 || (opcode === 0x8f && (bytes[at]! & 31) >= 8)) {
        const map = bytes[at]! & (opcode === 0x62 ? 7 : 31);
        at += opcode === 0x62 ? 3 : 2;
        trait = vectorTraits(map, bytes[at++]!);
      } else if (opcode === 0x8f) {
        trait = traits.modrm;
      } else {
        if (opcode === 0x66) narrow = true;
        rexWide = false;
        opcode = bytes[at++]!;
        trait = primary[opcode]!;
        lea = opcode === 0x8d;
      }
    }
    let relativeAt = -1;
    let immediate = trait & traits.immediateBits;
    if ((trait & traits.modrm) !== 0) {
      const modrm = bytes[at++]!;
      if (immediate >= traits.test8)
        immediate =
          (modrm & 0x30) !== 0 ? traits.none : immediate === traits.test8 ? traits.immediate8 : traits.immediate32;
      if (modrm < 0xc0) {
        const rm = modrm & 7;
        if (rm === 4) {
          const sib = bytes[at++]!;
          if (modrm < 0x40) {
            if ((sib & 7) === 5) {
              if (plainLow !== Infinity) pushPlain(view, at, to, plainLow, addressEnd, list);
              at += 4;
            }
          } else if (modrm < 0x80) at++;
          else {
            if (plainLow !== Infinity) pushPlain(view, at, to, plainLow, addressEnd, list);
            at += 4;
          }
        } else if (modrm < 0x40) {
          if (rm === 5) {
            relativeAt = at;
            at += 4;
          }
        } else if (modrm < 0x80) at++;
        else {
          if (plainLow !== Infinity) pushPlain(view, at, to, plainLow, addressEnd, list);
          at += 4;
        }
      }
    }
    if (relativeAt >= 0) {
      if (at > to) break;
      let kind: number = kinds.relative;
      let end = at;
      if (immediate === traits.immediate8) {
        kind = kinds.relative1;
        end++;
      } else if (immediate === traits.immediate32) {
        kind = narrow ? kinds.relative2 : kinds.relative4;
        end += narrow ? 2 : 4;
      }
      const target = end + view.getInt32(relativeAt, true) + shift;
      if (target >= low && target < addressEnd) {
        list.push(relativeAt, kind, target);
        if (lea) tables.add(target);
      }
    }
    switch (immediate) {
      case traits.none:
        break;
      case traits.immediate8:
        at++;
        break;
      case traits.near: {
        if (at + 4 > to) {
          at = to;
          break;
        }
        const target = at + 4 + view.getInt32(at, true) + shift;
        if (target >= codeLow && target < codeEnd) list.push(at, kinds.relative, target);
        at += 4;
        break;
      }
      case traits.short:
        at++;
        break;
      case traits.immediate32:
        if (!narrow && plainLow !== Infinity) pushPlain(view, at, to, plainLow, addressEnd, list);
        else if (opcode === pushOpcode && relocationBase !== 0 && at + 4 <= to)
          list.push(at, kinds.entry24, relocations + view.getUint32(at, true) * 24, relocationBase);
        at += narrow ? 2 : 4;
        break;
      case traits.immediate16:
        at += 2;
        break;
      case traits.enter:
        at += 3;
        break;
      case traits.offset64:
        at += 8;
        break;
      case traits.immediateFull:
        if (rexWide) at += 8;
        else {
          if (!narrow && plainLow !== Infinity) pushPlain(view, at, to, plainLow, addressEnd, list);
          at += narrow ? 2 : 4;
        }
    }
  }
}

/** Traits of an opcode after a VEX, XOP or EVEX prefix. */
function vectorTraits(map: number, opcode: number): number {
  if (map === 1) return secondary[opcode]! & ~8;
  if (map === 3 || map === 8) return traits.modrm | traits.immediate8;
  return map === 10 ? traits.modrm | traits.immediate32 : traits.modrm;
}

/** A number that is an address of the image, where the image is not moved. */
function pushPlain(view: DataView, at: number, to: number, low: number, end: number, list: FieldList): void {
  if (at + 4 > to) return;
  const value = view.getInt32(at, true);
  if (value >= low && value < end) list.push(at, kinds.absolute32, value);
}

function codeBounds(image: ElfImage): { codeLow: number; codeEnd: number } {
  let codeLow = Infinity;
  let codeEnd = 0;
  for (const { type, flags, address, memorySize } of image.segments) {
    if (type !== 1 || (flags & 1) === 0) continue;
    codeLow = Math.min(codeLow, address);
    codeEnd = Math.max(codeEnd, address + memorySize);
  }
  return { codeLow, codeEnd };
}
