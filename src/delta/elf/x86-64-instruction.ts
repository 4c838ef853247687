// One x86-64 instruction of any kind, byte by byte: prefixes, opcode maps, ModRM, SIB, displacement and immediate.

import type { FieldList } from './field-list.ts';
import type { ElfImage } from './image.ts';
import { kinds } from './kinds.ts';
import type { Marks } from './marks.ts';
import { primary, secondary, traits } from './x86-64-opcodes.ts';

export interface CodePart {
  /** Offsets of the code within the bytes. */
  readonly from: number;
  readonly to: number;
  /** Added to an offset gives the address. */
  readonly shift: number;
  /** Where it is the procedure linkage table: address of the relocations whose numbers its stubs push; else 0. */
  readonly relocations: number;
}

/** Images below this hold too many numbers that only look like addresses. */
export const fixedLow = 0x10000;
const pushOpcode = 0x68;

/** Reads instructions and appends their fields. */
export class InstructionReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #part: CodePart;
  readonly #list: FieldList;
  readonly #tables: Marks;
  readonly #low: number;
  readonly #end: number;
  readonly #codeLow: number;
  readonly #codeEnd: number;
  readonly #plainLow: number;
  readonly #relocationBase: number;

  constructor(bytes: Uint8Array, part: CodePart, image: ElfImage, list: FieldList, tables: Marks) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#part = part;
    this.#list = list;
    this.#tables = tables;
    this.#low = image.low;
    this.#end = image.addressEnd;
    this.#codeLow = image.codeLow;
    this.#codeEnd = image.codeEnd;
    this.#plainLow = image.fixed && image.low >= fixedLow ? image.low : Infinity;
    this.#relocationBase = part.relocations === 0 ? 0 : list.baseAt(part.relocations);
  }

  /** Reads the instruction at `start`; where the next one begins. Nothing throws on nonsense or at the end of the bytes. */
  read(start: number): number {
    const bytes = this.#bytes;
    const { to } = this.#part;
    let at = start;
    let opcode = bytes[at++]!;
    let trait = primary[opcode]!;
    let narrow = false;
    let rexWide = false;
    let escaped = false;
    while ((trait & traits.special) !== 0 && at < to) {
      if (opcode === 0x0f) {
        escaped = true;
        opcode = bytes[at++]!;
        trait = secondary[opcode]!;
        if (opcode === 0x38 || opcode === 0x3a) {
          trait = vectorTraits(opcode === 0x38 ? 2 : 3, 0);
          at++;
        }
      } else if (opcode === 0xc5) {
        escaped = true;
        trait = vectorTraits(1, bytes[at + 1]!);
        at += 2;
      } else if (opcode === 0xc4 || opcode === 0x62 || (opcode === 0x8f && (bytes[at]! & 31) >= 8)) {
        escaped = true;
        const map = bytes[at]! & (opcode === 0x62 ? 7 : 31);
        at += opcode === 0x62 ? 3 : 2;
        trait = vectorTraits(map, bytes[at++]!);
      } else if (opcode === 0x8f) {
        trait = traits.modrm;
      } else {
        if (opcode === 0x66) narrow = true;
        rexWide = (opcode & 0xf8) === 0x48;
        opcode = bytes[at++]!;
        trait = primary[opcode]!;
      }
    }
    let relativeAt = -1;
    let immediate = trait & traits.immediateBits;
    if ((trait & traits.modrm) !== 0) {
      const modrm = bytes[at++]!;
      if (immediate >= traits.test8)
        immediate =
          (modrm & 0x30) !== 0 ? traits.none : immediate === traits.test8 ? traits.immediate8 : traits.immediate32;
      const mode = modrm >> 6;
      const base = modrm < 0xc0 && (modrm & 7) === 4 ? bytes[at++]! & 7 : modrm & 7;
      if (mode === 0 && (modrm & 7) === 5) relativeAt = at;
      else if (mode === 2 || (mode === 0 && base === 5)) this.#plain(at);
      if (mode === 1) at++;
      else if (mode === 2 || (mode === 0 && base === 5)) at += 4;
    }
    const isLea = opcode === 0x8d && !escaped;
    if (relativeAt >= 0 && at <= to) this.#relative(relativeAt, trailing(immediate, narrow), isLea);
    switch (immediate) {
      case traits.immediate8:
      case traits.short:
        return at + 1;
      case traits.near:
        this.#near(at);
        return at + 4;
      case traits.immediate32:
      case traits.immediateFull:
        if (rexWide && immediate === traits.immediateFull) return at + 8;
        if (narrow) return at + 2;
        if (opcode === pushOpcode) this.#number(at);
        this.#plain(at);
        return at + 4;
      case traits.immediate16:
        return at + 2;
      case traits.enter:
        return at + 3;
      case traits.offset64:
        return at + 8;
      default:
        return at;
    }
  }

  /** An operand relative to the end of the instruction, which is `trail` bytes behind it. */
  #relative(at: number, trail: number, isLea: boolean): void {
    const target = at + 4 + trail + this.#view.getInt32(at, true) + this.#part.shift;
    if (target < this.#low || target >= this.#end) return;
    this.#list.push(at, relativeKind(trail), target);
    if (isLea) this.#tables.add(target);
  }

  /** The target of a call or jump. */
  #near(at: number): void {
    if (at + 4 > this.#part.to) return;
    const target = at + 4 + this.#view.getInt32(at, true) + this.#part.shift;
    if (target >= this.#codeLow && target < this.#codeEnd) this.#list.push(at, kinds.relative, target);
  }

  /** A number that is an address of the image, where the image is not moved. */
  #plain(at: number): void {
    if (this.#plainLow === Infinity || at + 4 > this.#part.to) return;
    const value = this.#view.getInt32(at, true);
    if (value >= this.#plainLow && value < this.#end) this.#list.push(at, kinds.absolute32, value);
  }

  /** The number of a relocation. */
  #number(at: number): void {
    if (this.#relocationBase === 0 || at + 4 > this.#part.to) return;
    const target = this.#part.relocations + this.#view.getUint32(at, true) * 24;
    this.#list.push(at, kinds.entry24, target, this.#relocationBase);
  }
}

/** The kind of an operand with so many bytes between it and the end of the instruction. */
export function relativeKind(trail: number): number {
  if (trail === 0) return kinds.relative;
  return trail === 1 ? kinds.relative1 : trail === 2 ? kinds.relative2 : kinds.relative4;
}

function trailing(immediate: number, narrow: boolean): number {
  if (immediate === traits.immediate8) return 1;
  if (immediate === traits.immediate32) return narrow ? 2 : 4;
  return 0;
}

/** Traits of an opcode in a map that a VEX, XOP or EVEX prefix names. */
function vectorTraits(map: number, opcode: number): number {
  if (map === 1) return secondary[opcode]! & ~traits.near;
  if (map === 3 || map === 8) return traits.modrm | traits.immediate8;
  return map === 10 ? traits.modrm | traits.immediate32 : traits.modrm;
}
