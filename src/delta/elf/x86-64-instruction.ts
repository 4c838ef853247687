// One x86-64 instruction of any kind, byte by byte: prefixes, opcode maps, ModRM, SIB, displacement and immediate.

import type { FieldList } from './field-list.ts';
import type { ElfImage } from './image.ts';
import { kinds } from './kinds.ts';
import type { Marks } from './marks.ts';
import { primary, secondary, traits } from './x86-64-opcodes.ts';

/** A part of a section of code. */
export interface CodePart {
  readonly bytes: Uint8Array;
  /** Where it begins in the section. */
  readonly at: number;
  /** Whether the section ends with it; else there are bytes of more instructions behind. */
  readonly isLast: boolean;
}

/** Images below this hold too many numbers that only look like addresses. */
export const fixedLow = 0x10000;
const pushOpcode = 0x68;
/** More bytes of prefixes count as an instruction of their own. */
const maxPrefixes = 12;
/** No instruction has more bytes. */
export const longest = 32;

/** Reads instructions and appends their fields. */
export class InstructionReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #to: number;
  /** Where the part begins in its section. */
  readonly #origin: number;
  /** Added to an index gives the address. */
  readonly #shift: number;
  readonly #list: FieldList;
  readonly #tables: Marks;
  readonly #low: number;
  readonly #end: number;
  readonly #codeLow: number;
  readonly #codeEnd: number;
  readonly #plainLow: number;
  /** Whether pushed numbers are those of relocations. */
  readonly #isLinkage: boolean;

  constructor({ bytes, at }: CodePart, image: ElfImage, list: FieldList, tables: Marks) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#to = bytes.length;
    this.#origin = at;
    this.#shift = list.section.address + at;
    this.#list = list;
    this.#tables = tables;
    this.#low = image.low;
    this.#end = image.addressEnd;
    this.#codeLow = image.codeLow;
    this.#codeEnd = image.codeEnd;
    this.#plainLow = image.fixed && image.low >= fixedLow ? image.low : Infinity;
    this.#isLinkage = list.section.role === 'procedureLinkage' && list.base !== 0;
  }

  /** Reads the instruction at `start`; where the next one begins. Nothing throws on nonsense or at the end of the bytes. */
  read(start: number): number {
    const bytes = this.#bytes;
    const to = this.#to;
    let at = start;
    let opcode = bytes[at++]!;
    let trait = primary[opcode]!;
    let narrow = false;
    let rexWide = false;
    let escaped = false;
    while ((trait & traits.special) !== 0 && at < to && at - start < maxPrefixes) {
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
    if (at + 4 > this.#to) return;
    const target = at + 4 + trail + this.#view.getInt32(at, true) + this.#shift;
    if (target < this.#low || target >= this.#end) return;
    this.#list.push(this.#origin + at, relativeKind(trail));
    if (isLea) this.#tables.add(target);
  }

  /** The target of a call or jump. */
  #near(at: number): void {
    if (at + 4 > this.#to) return;
    const target = at + 4 + this.#view.getInt32(at, true) + this.#shift;
    if (target >= this.#codeLow && target < this.#codeEnd) this.#list.push(this.#origin + at, kinds.relative);
  }

  /** A number that is an address of the image, where the image is not moved. */
  #plain(at: number): void {
    if (this.#plainLow === Infinity || at + 4 > this.#to) return;
    const value = this.#view.getInt32(at, true);
    if (value >= this.#plainLow && value < this.#end) this.#list.push(this.#origin + at, kinds.absolute32);
  }

  /** The number of a relocation. */
  #number(at: number): void {
    if (this.#isLinkage && at + 4 <= this.#to) this.#list.push(this.#origin + at, kinds.entry24);
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
