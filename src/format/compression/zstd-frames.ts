// Finds the frames of a Zstandard stream (RFC 8878 §3.1) by their headers and block headers alone. Nothing is decoded.
//
//   frame     = magic(FD2FB528) header { block } [checksum: 4]        skippable = magic(184D2A5?) size: 4, bytes
//   header    = descriptor: 1, window: 0|1, dictionary: 0|1|2|4, content size: 0|1|2|4|8
//   block     = last: 1 bit, type: 2 bits (raw, RLE, compressed, reserved), size: 21 bits, little-endian; then the bytes

import type { Faults } from './codec.ts';

const zstdMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;

type State = 'magic' | 'descriptor' | 'header' | 'block' | 'body' | 'last' | 'skip-size';

export class FrameScanner {
  readonly #faults: Faults;
  readonly #field = Buffer.alloc(16);
  #have = 0;
  #need = 4;
  #state: State = 'magic';
  #checksum = false;
  /** Input offset of the buffer at hand, and how much of a block or skippable frame is left. */
  #base = 0;
  #left = 0;
  /** True after a whole frame, before anything of the next one. */
  #between = false;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  /** The pieces of `bytes`, cut after the end of each frame. */
  *cut(bytes: Buffer): Generator<Buffer, void, undefined> {
    let start = 0;
    for (let at = 0; at < bytes.length;) {
      at = this.#state === 'body' || this.#state === 'last' ? this.#pass(bytes, at) : this.#collect(bytes, at);
      if (!this.#between || at === start) continue;
      yield bytes.subarray(start, at);
      start = at;
    }
    if (start < bytes.length) yield bytes.subarray(start);
    this.#base += bytes.length;
  }

  /** Throws `format` unless the input ended with a whole frame. */
  finish(): void {
    if (!this.#between) throw this.#faults.truncated(this.#base);
  }

  /** Steps over contents; `last` ends the frame, `body` leads to the next block. */
  #pass(bytes: Buffer, at: number): number {
    const part = Math.min(this.#left, bytes.length - at);
    this.#left -= part;
    if (this.#left === 0) this.#enter(this.#state === 'last' ? 'magic' : 'block');
    return at + part;
  }

  #collect(bytes: Buffer, at: number): number {
    this.#between = false;
    const part = bytes.subarray(at, at + this.#need - this.#have);
    this.#field.set(part, this.#have);
    this.#have += part.length;
    if (this.#have === this.#need) this.#read(this.#base + at + part.length - this.#need);
    return at + part.length;
  }

  #enter(state: State, need: number = state === 'magic' || state === 'skip-size' ? 4 : 3): void {
    this.#between = state === 'magic';
    this.#state = state;
    this.#have = 0;
    this.#need = need;
  }

  #contents(state: 'body' | 'last', size: number): void {
    this.#left = size;
    if (size > 0) this.#enter(state);
    else this.#enter(state === 'last' ? 'magic' : 'block');
  }

  /** A field is complete; `offset` is where it began. */
  #read(offset: number): void {
    if (this.#state === 'magic') this.#readMagic(offset);
    else if (this.#state === 'descriptor') this.#readDescriptor(offset);
    else if (this.#state === 'header') this.#enter('block');
    else if (this.#state === 'skip-size') this.#contents('last', this.#field.readUInt32LE(0));
    else this.#readBlock(offset);
  }

  #readMagic(offset: number): void {
    const magic = this.#field.readUInt32LE(0);
    if (magic === zstdMagic) this.#enter('descriptor', 1);
    else if ((magic & 0xfffffff0) >>> 0 === skippableMagic) this.#enter('skip-size');
    else if (offset > 0) throw this.#faults.trailing(offset);
    else throw this.#faults.corrupt(offset, `magic number ${magic.toString(16).padStart(8, '0')}`);
  }

  #readDescriptor(offset: number): void {
    const descriptor = this.#field[0]!;
    if (descriptor & 0x08) throw this.#faults.corrupt(offset, 'a reserved bit in the frame header');
    const single = (descriptor & 0x20) !== 0;
    const contentSize = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
    const rest = (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]! + contentSize;
    this.#checksum = (descriptor & 0x04) !== 0;
    this.#enter('header', rest);
  }

  #readBlock(offset: number): void {
    const header = this.#field.readUIntLE(0, 3);
    const type = (header >> 1) & 3;
    if (type === 3) throw this.#faults.corrupt(offset, 'a block of the reserved type');
    const size = type === 1 ? 1 : header >> 3;
    if ((header & 1) === 0) this.#contents('body', size);
    else this.#contents('last', size + (this.#checksum ? 4 : 0));
  }
}
