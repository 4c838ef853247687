// Bytes to bits: makes the bitstream again whose values are given.

import { char6Letters, NoBitstream, type Port } from './port.ts';
import { walkBitstream } from './walk.ts';

/** The bitstream of `size` bytes that expands to these; undefined where there is none. */
export function packBitstream(values: Uint8Array, size: number): Buffer | undefined {
  const port = new PackingPort(values, size);
  try {
    walkBitstream(port);
  } catch (error) {
    if (error instanceof NoBitstream) return undefined;
    throw error;
  }
  return port.taken();
}

const codes: Int16Array = new Int16Array(256).fill(-1);
for (let i = 0; i < 64; i++) codes[char6Letters.charCodeAt(i)] = i;

class PackingPort implements Port {
  readonly #values: Uint8Array;
  #from = 0;
  readonly #out: Buffer;
  #at = 0;

  constructor(values: Uint8Array, size: number) {
    this.#values = values;
    this.#out = Buffer.alloc(size);
  }

  taken(): Buffer | undefined {
    return this.#at === this.#out.length * 8 && this.#from === this.#values.length ? this.#out : undefined;
  }

  atEnd(): boolean {
    return this.#from >= this.#values.length;
  }

  fixed(width: number): number {
    let value = 0;
    for (let have = 0; have < width; have += 8) value |= this.#next() << have;
    if (width < 32 && value >>> width !== 0) throw new NoBitstream();
    this.#write(value, width);
    return value >>> 0;
  }

  variable(width: number): number {
    let low = 0;
    let upper = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = this.#next();
      const part = byte & 127;
      if (shift < 32) low |= part << shift;
      if (shift > 25) upper |= shift < 32 ? part >>> (32 - shift) : part << (shift - 32);
      shift += 7;
      if (shift > 70) throw new NoBitstream();
    } while (byte > 127);
    this.#writeVariable(low >>> 0, upper >>> 0, width - 1);
    return low >>> 0;
  }

  #writeVariable(low: number, upper: number, group: number): void {
    const high = 2 ** group;
    let rest = low;
    let more = upper;
    while (more !== 0 || rest >= high) {
      this.#write((rest & (high - 1)) | (high | 0), group + 1);
      rest = ((rest >>> group) | (more << (32 - group))) >>> 0;
      more >>>= group;
    }
    this.#write(rest, group + 1);
  }

  char6(): void {
    const code = codes[this.#next()]!;
    if (code < 0) throw new NoBitstream();
    this.#write(code, 6);
  }

  align(): void {
    this.#at = Math.ceil(this.#at / 32) * 32;
  }

  raw(length: number): void {
    if (length > this.#values.length - this.#from || length > this.#out.length - this.#at / 8) throw new NoBitstream();
    this.#out.set(this.#values.subarray(this.#from, this.#from + length), this.#at / 8);
    this.#from += length;
    this.#at += length * 8;
  }

  beginBlock(): number {
    this.#write(0, 32);
    return this.#at;
  }

  endBlock(block: number): void {
    if (this.#at > this.#out.length * 8) throw new NoBitstream();
    this.#out.writeUInt32LE((this.#at - block) / 32, block / 8 - 4);
  }

  #next(): number {
    const byte = this.#values[this.#from++];
    if (byte === undefined) throw new NoBitstream();
    return byte;
  }

  #write(value: number, width: number): void {
    const at = this.#at;
    const end = at + width;
    if (end > this.#out.length * 8) throw new NoBitstream();
    this.#at = end;
    let index = at >>> 3;
    const offset = at & 7;
    this.#out[index]! |= value << offset;
    for (let done = 8 - offset; done < width; done += 8) this.#out[++index] = value >>> done;
  }
}
