// The kinds of fields that hold addresses: how wide each is, how its target is read and written. A field is described by its
// place (its own address), its target and, for values that count from a third address, its base.

import type { ElfImage } from './image.ts';
import { pseudoBase } from './segments.ts';

export const kinds = {
  /** 32 bits, signed, from the end of the instruction, which is 0, 1, 2 or 4 bytes behind the field's end. */
  relative: 1,
  relative1: 2,
  relative2: 3,
  relative4: 4,
  /** 32 bits, signed, from the field itself (.eh_frame). */
  relativeSelf: 5,
  /** 32 bits, counted back from the field (a frame's pointer to its common part). */
  back: 6,
  absolute32: 8,
  absolute64: 9,
  /** As absolute64: where a relocation applies. */
  word: 13,
  /** 32 bits, signed, from the base. */
  based: 10,
  /** 32 bits: number of an entry of 24 bytes in the table at the base. */
  entry24: 11,
  /** 64 bits: an offset in the file. */
  fileOffset: 12,
  /** aarch64, within an instruction: 26, 19 or 14 bits of 4 bytes each. */
  branch26: 16,
  branch19: 17,
  branch14: 18,
  /** adr, adrp: 21 bits, of bytes and of pages. */
  adr: 19,
  adrp: 20,
  /** The low 12 bits of an address, in units of 1, 2, 4, 8 and 16 bytes. */
  low12: 21,
  low12x2: 22,
  low12x4: 23,
  low12x8: 24,
  low12x16: 25,
} as const;

/** Bytes of a field: 4 or 8. */
export function widthOf(kind: number): number {
  return kind === kinds.absolute64 || kind === kinds.word || kind === kinds.fileOffset ? 8 : 4;
}

const two32 = 2 ** 32;

/**
 * Writes a field. `bytes` must hold the old file's bytes there: of an instruction only some bits are the field's.
 * False, and nothing written, where the target does not fit. `image` is that of the file being made.
 */
export function putField(
  bytes: Uint8Array,
  at: number,
  kind: number,
  place: number,
  target: number,
  image: ElfImage,
  base: number,
): boolean {
  switch (kind) {
    case kinds.relative:
      return putSigned32(bytes, at, target - place - 4);
    case kinds.relative1:
      return putSigned32(bytes, at, target - place - 5);
    case kinds.relative2:
      return putSigned32(bytes, at, target - place - 6);
    case kinds.relative4:
      return putSigned32(bytes, at, target - place - 8);
    case kinds.relativeSelf:
      return putSigned32(bytes, at, target - place);
    case kinds.back:
      return putUnsigned32(bytes, at, place - target);
    case kinds.absolute32:
      return putUnsigned32(bytes, at, target);
    case kinds.absolute64:
    case kinds.word:
      return putUnsigned64(bytes, at, target);
    case kinds.based:
      return putSigned32(bytes, at, target - base);
    case kinds.entry24:
      return (target - base) % 24 === 0 && putUnsigned32(bytes, at, (target - base) / 24);
    case kinds.fileOffset:
      return putUnsigned64(bytes, at, image.offsetOf(target));
    default:
      return putInstruction(bytes, at, kind, place, target);
  }
}

/** Where a field points to; -1 for an unknown kind. Kinds that hold only a part of an address take the rest of `guess`. */
export function readTarget(
  bytes: Uint8Array,
  at: number,
  kind: number,
  place: number,
  image: ElfImage,
  base: number,
  guess: number,
): number {
  switch (kind) {
    case kinds.relative:
      return place + 4 + signed32(bytes, at);
    case kinds.relative1:
      return place + 5 + signed32(bytes, at);
    case kinds.relative2:
      return place + 6 + signed32(bytes, at);
    case kinds.relative4:
      return place + 8 + signed32(bytes, at);
    case kinds.relativeSelf:
      return place + signed32(bytes, at);
    case kinds.back:
      return place - (signed32(bytes, at) >>> 0);
    case kinds.absolute32:
      return signed32(bytes, at) >>> 0;
    case kinds.absolute64:
    case kinds.word:
      return unsigned64(bytes, at);
    case kinds.based:
      return base + signed32(bytes, at);
    case kinds.entry24:
      return base + (signed32(bytes, at) >>> 0) * 24;
    case kinds.fileOffset:
      return targetOfOffset(image, unsigned64(bytes, at));
    default:
      return readInstruction(signed32(bytes, at), kind, place, guess);
  }
}

/** The lowest bit and the number of bits of the field within its instruction; adr and adrp have two more at bit 29. */
const bits: ReadonlyMap<number, readonly [shift: number, count: number]> = new Map([
  [kinds.branch26, [0, 26]],
  [kinds.branch19, [5, 19]],
  [kinds.branch14, [5, 14]],
  [kinds.low12, [10, 12]],
  [kinds.low12x2, [10, 12]],
  [kinds.low12x4, [10, 12]],
  [kinds.low12x8, [10, 12]],
  [kinds.low12x16, [10, 12]],
]);

/** Replaces the bits of a field by those of a label; all of it wherever the kind is not part of an instruction. */
export function putLabel(view: DataView, at: number, kind: number, label: number): void {
  if (kind >= kinds.branch26) view.setInt32(at, withBits(view.getInt32(at, true), kind, label), true);
  else {
    view.setInt32(at, label, true);
    if (kind === kinds.absolute64 || kind === kinds.word || kind === kinds.fileOffset)
      view.setInt32(at + 4, Math.imul(label, 0x9e3779b1), true);
  }
}

function withBits(word: number, kind: number, value: number): number {
  if (kind === kinds.adr || kind === kinds.adrp)
    return (word & 0x9f00001f) | ((value & 3) << 29) | (((value >> 2) & 0x7ffff) << 5);
  const [shift, count] = bits.get(kind) ?? [0, 0];
  const mask = ((1 << count) - 1) << shift;
  return (word & ~mask) | ((value << shift) & mask);
}

function putInstruction(bytes: Uint8Array, at: number, kind: number, place: number, target: number): boolean {
  const value = instructionValue(kind, place, target);
  if (value === undefined) return false;
  putWord(bytes, at, withBits(signed32(bytes, at), kind, value));
  return true;
}

function instructionValue(kind: number, place: number, target: number): number | undefined {
  switch (kind) {
    case kinds.branch26:
      return fitting((target - place) / 4, 26);
    case kinds.branch19:
      return fitting((target - place) / 4, 19);
    case kinds.branch14:
      return fitting((target - place) / 4, 14);
    case kinds.adr:
      return fitting(target - place, 21);
    case kinds.adrp:
      return fitting(Math.floor(target / 4096) - Math.floor(place / 4096), 21);
    default:
      if (kind < kinds.low12 || kind > kinds.low12x16) return undefined;
      return lowPart(target % 4096, kind - kinds.low12);
  }
}

function fitting(value: number, count: number): number | undefined {
  const limit = 2 ** (count - 1);
  return Number.isInteger(value) && value >= -limit && value < limit ? value : undefined;
}

function lowPart(low: number, shift: number): number | undefined {
  return (low & ((1 << shift) - 1)) === 0 ? low >> shift : undefined;
}

/** Where an aarch64 instruction points to; what it does not say of the address is taken from `guess`. */
export function readInstruction(word: number, kind: number, place: number, guess: number): number {
  switch (kind) {
    case kinds.branch26:
      return place + ((word << 6) >> 6) * 4;
    case kinds.branch19:
      return place + ((word << 8) >> 13) * 4;
    case kinds.branch14:
      return place + ((word << 13) >> 18) * 4;
    case kinds.adr:
      return place + wideImmediate(word);
    case kinds.adrp:
      return (Math.floor(place / 4096) + wideImmediate(word)) * 4096 + (guess % 4096);
    default:
      if (kind < kinds.low12 || kind > kinds.low12x16) return -1;
      return guess - (guess % 4096) + (((word >> 10) & 0xfff) << (kind - kinds.low12));
  }
}

function wideImmediate(word: number): number {
  return (((word << 8) >> 13) << 2) | ((word >>> 29) & 3);
}

function targetOfOffset(image: ElfImage, offset: number): number {
  return offset < pseudoBase ? image.addressOf(offset) : -1;
}

function signed32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function unsigned64(bytes: Uint8Array, at: number): number {
  return (signed32(bytes, at) >>> 0) + (signed32(bytes, at + 4) >>> 0) * two32;
}

function putWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >> 8;
  bytes[at + 2] = value >> 16;
  bytes[at + 3] = value >> 24;
}

function putSigned32(bytes: Uint8Array, at: number, value: number): boolean {
  if (!(value >= -0x80000000 && value < 0x80000000)) return false;
  putWord(bytes, at, value);
  return true;
}

function putUnsigned32(bytes: Uint8Array, at: number, value: number): boolean {
  if (!(value >= 0 && value < two32)) return false;
  putWord(bytes, at, value);
  return true;
}

function putUnsigned64(bytes: Uint8Array, at: number, value: number): boolean {
  if (!(value >= 0 && value < pseudoBase)) return false;
  putWord(bytes, at, value % two32);
  putWord(bytes, at + 4, Math.floor(value / two32));
  return true;
}
