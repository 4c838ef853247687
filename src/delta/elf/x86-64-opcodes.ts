// What follows the opcode of an x86-64 instruction: enough of the instruction set to know where each one ends. Opcode maps of
// the manuals of Intel and AMD; opcodes that are invalid in 64-bit mode count as one byte without operands.

/** Traits of an opcode: the kind of immediate in the low bits, then flags. */
export const traits = {
  immediateBits: 15,
  none: 0,
  /** 8, 16 bits. */
  immediate8: 1,
  immediate16: 2,
  /** 32 bits, 16 with the operand-size prefix. */
  immediate32: 3,
  /** 64 bits with REX.W, else as immediate32. */
  immediateFull: 4,
  /** An address of 64 bits, 32 with the address-size prefix. */
  offset64: 5,
  /** 16 and 8 bits. */
  enter: 6,
  /** 8 or 32 bits relative to the end of the instruction. */
  short: 7,
  near: 8,
  /** 8 or 32 bits, but only when the register field of ModRM is 0 or 1. */
  test8: 9,
  test32: 10,
  /** A ModRM byte follows. */
  modrm: 16,
  /** Prefixes and escapes: not an opcode. */
  special: 32,
} as const;

const { modrm, special } = traits;

function table(rows: readonly (readonly [from: number, to: number, traits: number])[]): Uint8Array {
  const result = new Uint8Array(256);
  for (const [from, to, value] of rows) result.fill(value, from, to + 1);
  return result;
}

/** Operations of one row of eight opcodes: four with ModRM, two with immediates. */
const arithmetic = [0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38].flatMap((at): [number, number, number][] => [
  [at, at + 3, modrm],
  [at + 4, at + 4, traits.immediate8],
  [at + 5, at + 5, traits.immediate32],
]);

/** Opcodes of one byte. */
export const primary: Uint8Array = table([
  ...arithmetic,
  [0x0f, 0x0f, special],
  [0x26, 0x26, special],
  [0x2e, 0x2e, special],
  [0x36, 0x36, special],
  [0x3e, 0x3e, special],
  [0x40, 0x4f, special],
  [0x62, 0x62, special],
  [0x63, 0x63, modrm],
  [0x64, 0x67, special],
  [0x68, 0x68, traits.immediate32],
  [0x69, 0x69, modrm | traits.immediate32],
  [0x6a, 0x6a, traits.immediate8],
  [0x6b, 0x6b, modrm | traits.immediate8],
  [0x70, 0x7f, traits.short],
  [0x80, 0x80, modrm | traits.immediate8],
  [0x81, 0x81, modrm | traits.immediate32],
  [0x82, 0x83, modrm | traits.immediate8],
  [0x84, 0x8e, modrm],
  [0x8f, 0x8f, special],
  [0xa0, 0xa3, traits.offset64],
  [0xa8, 0xa8, traits.immediate8],
  [0xa9, 0xa9, traits.immediate32],
  [0xb0, 0xb7, traits.immediate8],
  [0xb8, 0xbf, traits.immediateFull],
  [0xc0, 0xc1, modrm | traits.immediate8],
  [0xc2, 0xc2, traits.immediate16],
  [0xc4, 0xc5, special],
  [0xc6, 0xc6, modrm | traits.immediate8],
  [0xc7, 0xc7, modrm | traits.immediate32],
  [0xc8, 0xc8, traits.enter],
  [0xca, 0xca, traits.immediate16],
  [0xcd, 0xcd, traits.immediate8],
  [0xd0, 0xd3, modrm],
  [0xd8, 0xdf, modrm],
  [0xe0, 0xe3, traits.short],
  [0xe4, 0xe7, traits.immediate8],
  [0xe8, 0xe9, traits.near],
  [0xeb, 0xeb, traits.short],
  [0xf0, 0xf0, special],
  [0xf2, 0xf3, special],
  [0xf6, 0xf6, modrm | traits.test8],
  [0xf7, 0xf7, modrm | traits.test32],
  [0xfe, 0xff, modrm],
]);

/** Opcodes after 0f, and those of VEX and EVEX map 1. */
export const secondary: Uint8Array = table([
  [0x00, 0xff, modrm],
  [0x04, 0x0c, 0],
  [0x0d, 0x0d, modrm],
  [0x0e, 0x0e, 0],
  [0x0f, 0x0f, modrm | traits.immediate8],
  [0x30, 0x37, 0],
  [0x70, 0x73, modrm | traits.immediate8],
  [0x77, 0x77, 0],
  [0x80, 0x8f, traits.near],
  [0xa0, 0xa2, 0],
  [0xa4, 0xa4, modrm | traits.immediate8],
  [0xa6, 0xa7, modrm],
  [0xa8, 0xaa, 0],
  [0xac, 0xac, modrm | traits.immediate8],
  [0xba, 0xba, modrm | traits.immediate8],
  [0xc2, 0xc2, modrm | traits.immediate8],
  [0xc4, 0xc6, modrm | traits.immediate8],
  [0xc8, 0xcf, 0],
]);
