// Bits to bytes: each value of a bitstream becomes whole bytes, so that inserted bits move nothing by parts of a byte.

import { char6Letters, NoBitstream, type Port } from './port.ts';
import { walkBitstream } from './walk.ts';

/** The bytes of a bitstream's values; undefined for what is none. */
export function expandBitstream(bits: Uint8Array): Buffer | undefined {
  if (bits.length % 4 !== 0 || bits[0] !== 0x42 || bits[1] !== 0x43 || bits[2] !== 0xc0 || bits[3] !== 0xde)
    return undefined;
  const port = new ExpandingPort(bits);
  try {
    walkBitstream(port);
  } catch (error) {
    if (error instanceof NoBitstream) return undefined;
    throw error;
  }
  return port.taken();
}

class ExpandingPort implements Port {
  readonly #bits: Uint8Array;
  readonly #end: number;
  #at = 0;
  #out: Buffer;
  #length = 0;

  constructor(bits: Uint8Array) {
    this.#bits = bits;
    this.#end = bits.length * 8;
    this.#out = Buffer.allocUnsafe(bits.length * 3 + 64);
  }

  taken(): Buffer {
    return this.#out.subarray(0, this.#length);
  }

  atEnd(): boolean {
    return this.#at >= this.#end;
  }

  fixed(width: number): number {
    const value = this.#read(width);
    for (let left = width, rest = value; left > 0; left -= 8, rest >>>= 8) this.#put(rest & 255);
    return value;
  }

  variable(width: number): number {
    const high = 2 ** (width - 1);
    let group = this.#read(width);
    let low = group & (high - 1);
    let upper = 0;
    let shift = width - 1;
    while (group >= high) {
      group = this.#read(width);
      const part = group & (high - 1);
      if (shift >= 64) throw new NoBitstream();
      if (shift < 32) {
        low |= part << shift;
        if (shift + width - 1 > 32) upper |= part >>> (32 - shift);
      } else upper |= part << (shift - 32);
      shift += width - 1;
    }
    this.#putLong(low >>> 0, upper >>> 0);
    return low >>> 0;
  }

  char6(): void {
    this.#put(char6Letters.charCodeAt(this.#read(6)));
  }

  align(): void {
    while (this.#at % 32 !== 0) if (this.#read(Math.min(8, 32 - (this.#at % 32))) !== 0) throw new NoBitstream();
  }

  raw(length: number): void {
    const from = this.#at / 8;
    if (length > this.#bits.length - from) throw new NoBitstream();
    this.#room(length);
    this.#out.set(this.#bits.subarray(from, from + length), this.#length);
    this.#length += length;
    this.#at += length * 8;
  }

  beginBlock(): number {
    const words = this.#read(32);
    return this.#at + words * 32;
  }

  endBlock(block: number): void {
    if (this.#at !== block) throw new NoBitstream();
  }

  #read(width: number): number {
    const at = this.#at;
    const end = at + width;
    if (end > this.#end) throw new NoBitstream();
    this.#at = end;
    const bits = this.#bits;
    let index = at >>> 3;
    const offset = at & 7;
    let value = bits[index]! >>> offset;
    for (let have = 8 - offset; have < width; have += 8) value |= bits[++index]! << have;
    // The last byte's upper bits fall out beyond 32 where a value crosses five bytes.
    return width === 32 ? value >>> 0 : value & ((1 << width) - 1);
  }

  #putLong(low: number, upper: number): void {
    let rest = low;
    let more = upper;
    while (rest > 127 || more !== 0) {
      this.#put((rest & 127) | 128);
      rest = ((rest >>> 7) | (more << 25)) >>> 0;
      more >>>= 7;
    }
    this.#put(rest);
  }

  #put(byte: number): void {
    if (this.#length === this.#out.length) this.#room(1);
    this.#out[this.#length++] = byte;
  }

  #room(size: number): void {
    if (this.#length + size <= this.#out.length) return;
    const bigger = Buffer.allocUnsafe((this.#length + size) * 2);
    bigger.set(this.#out.subarray(0, this.#length));
    this.#out = bigger;
  }
}
