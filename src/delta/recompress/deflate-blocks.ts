// The blocks of a deflate stream as gzip and zlib make them: where a block ends, which kind it is, and its codes.

import type { BitWriter } from './bit-writer.ts';
import {
  bitLengthCodes,
  bitLengthExtra,
  bitLengthOrder,
  distanceBase,
  distanceCodeOf,
  distanceCodes,
  distanceExtra,
  endOfBlock,
  fixedDistanceLength,
  fixedLengths,
  lengthBase,
  lengthCode,
  lengthCodes,
  lengthExtra,
  literals,
} from './deflate-tables.ts';
import { PrefixCode, assignCodes } from './prefix-code.ts';

/** Whose deflate it is: GNU gzip kept an older one than zlib has. */
export type Flavour = 'gzip' | 'zlib';

const blockTypes = { stored: 0, fixed: 1, dynamic: 2 } as const;

/** Symbols a block holds at most. */
const bufferSizes = { gzip: 0x8000, zlib: 0x4000 } as const;

const fixedCodes = new Uint16Array(288);
assignCodes(fixedLengths, 288, fixedCodes);
const fixedDistanceLengths = new Uint8Array(32).fill(fixedDistanceLength);
const fixedDistanceCodes = new Uint16Array(32);
assignCodes(fixedDistanceLengths, 32, fixedDistanceCodes);

/** Codes for runs in lists of code lengths. */
const repeat = 16;
const zeros = 17;
const manyZeros = 18;

export class Blocks {
  readonly #out: BitWriter;
  readonly #flavour: Flavour;
  readonly #level: number;
  /** A literal, or a length less 3, with the distance beside it; a distance of 0 says literal. */
  readonly #symbols: Uint8Array;
  readonly #distances: Uint16Array;
  #count = 0;
  #matches = 0;
  readonly #lengths = new PrefixCode({
    count: lengthCodes,
    extra: lengthExtra,
    extraFrom: literals + 1,
    longest: 15,
    fixed: fixedLengths,
  });
  readonly #offsets = new PrefixCode({
    count: distanceCodes,
    extra: distanceExtra,
    extraFrom: 0,
    longest: 15,
    fixed: fixedDistanceLengths,
  });
  readonly #bitLengths = new PrefixCode({
    count: bitLengthCodes,
    extra: bitLengthExtra,
    extraFrom: 0,
    longest: 7,
    fixed: new Uint8Array(0),
  });

  constructor(out: BitWriter, flavour: Flavour, level: number) {
    this.#out = out;
    this.#flavour = flavour;
    this.#level = level;
    this.#symbols = new Uint8Array(bufferSizes[flavour]);
    this.#distances = new Uint16Array(bufferSizes[flavour]);
    this.#lengths.frequency[endOfBlock] = 1;
  }

  /** Notes a literal. True: the block is to end here; `passed` bytes have gone into it. */
  literal(byte: number, passed: number): boolean {
    this.#symbols[this.#count] = byte;
    this.#distances[this.#count++] = 0;
    this.#lengths.frequency[byte]!++;
    return this.#isFull(passed);
  }

  /** Notes a match of `length` less 3. */
  match(length: number, distance: number, passed: number): boolean {
    this.#symbols[this.#count] = length;
    this.#distances[this.#count++] = distance;
    this.#matches++;
    this.#lengths.frequency[lengthCode[length]! + literals + 1]!++;
    this.#offsets.frequency[distanceCodeOf(distance - 1)]!++;
    return this.#isFull(passed);
  }

  #isFull(passed: number): boolean {
    const count = this.#count;
    if (this.#flavour === 'gzip' && this.#level > 2 && (count & 0xfff) === 0) {
      // few matches, yet much shorter than what went in: better codes may come with a new block
      let bits = count * 8;
      for (let code = 0; code < distanceCodes; code++)
        bits += this.#offsets.frequency[code]! * (5 + distanceExtra[code]!);
      const bytes = Math.floor(bits / 8);
      if (this.#matches < count >> 1 && bytes < passed >> 1) return true;
    }
    return count === this.#symbols.length - 1;
  }

  /** Writes the block; `stored` are its bytes if they are still at hand. */
  flush(stored: Uint8Array | undefined, size: number, last: boolean): void {
    const [lengths, offsets, bitLengths, out] = [this.#lengths, this.#offsets, this.#bitLengths, this.#out];
    lengths.build();
    offsets.build();
    const sent = this.#countBitLengths();
    const bits = lengths.bits + offsets.bits + bitLengths.bits + 3 * sent + 14;
    const fixedBytes = (lengths.fixedBits + offsets.fixedBits + 3 + 7) >> 3;
    const bytes = Math.min((bits + 3 + 7) >> 3, fixedBytes);
    const final = last ? 1 : 0;
    if (size + 4 <= bytes && stored) {
      out.bits((blockTypes.stored << 1) + final, 3);
      out.align();
      out.bits(size, 16);
      out.bits(~size & 0xffff, 16);
      out.raw(stored);
    } else if (fixedBytes === bytes) {
      out.bits((blockTypes.fixed << 1) + final, 3);
      this.#writeSymbols(fixedLengths, fixedCodes, fixedDistanceLengths, fixedDistanceCodes);
    } else {
      out.bits((blockTypes.dynamic << 1) + final, 3);
      this.#writeCodes(sent);
      this.#writeSymbols(lengths.lengths, lengths.codes, offsets.lengths, offsets.codes);
    }
    lengths.clear();
    offsets.clear();
    lengths.frequency[endOfBlock] = 1;
    this.#count = 0;
    this.#matches = 0;
    if (last) out.align();
  }

  /** How many lengths of the code for code lengths are sent. */
  #countBitLengths(): number {
    const code = this.#bitLengths;
    code.clear();
    const count = (symbol: number): void => void code.frequency[symbol]!++;
    for (const { lengths, last } of [this.#lengths, this.#offsets]) eachRun(lengths, last, count);
    code.build();
    let sent = bitLengthCodes;
    while (sent > 4 && code.lengths[bitLengthOrder[sent - 1]!] === 0) sent--;
    return sent;
  }

  #writeCodes(sent: number): void {
    const [out, code] = [this.#out, this.#bitLengths];
    out.bits(this.#lengths.last - 256, 5);
    out.bits(this.#offsets.last, 5);
    out.bits(sent - 4, 4);
    for (let at = 0; at < sent; at++) out.bits(code.lengths[bitLengthOrder[at]!]!, 3);
    const write = (symbol: number, more: number): void => {
      out.bits(code.codes[symbol]!, code.lengths[symbol]!);
      if (symbol >= repeat) out.bits(more, bitLengthExtra[symbol]!);
    };
    for (const { lengths, last } of [this.#lengths, this.#offsets]) eachRun(lengths, last, write);
  }

  #writeSymbols(lengths: Uint8Array, codes: Uint16Array, offsetLengths: Uint8Array, offsetCodes: Uint16Array): void {
    const [out, symbols, distances] = [this.#out, this.#symbols, this.#distances];
    for (let at = 0; at < this.#count; at++) {
      const symbol = symbols[at]!;
      const distance = distances[at]! - 1;
      if (distance < 0) {
        out.bits(codes[symbol]!, lengths[symbol]!);
        continue;
      }
      const length = lengthCode[symbol]!;
      out.bits(codes[length + literals + 1]!, lengths[length + literals + 1]!);
      if (lengthExtra[length]! > 0) out.bits(symbol - lengthBase[length]!, lengthExtra[length]!);
      const code = distanceCodeOf(distance);
      out.bits(offsetCodes[code]!, offsetLengths[code]!);
      if (distanceExtra[code]! > 0) out.bits(distance - distanceBase[code]!, distanceExtra[code]!);
    }
    out.bits(codes[endOfBlock]!, lengths[endOfBlock]!);
  }
}

/** Names the lengths up to `last` as they are sent: single ones, repeats of the one before, runs of zeros. */
function eachRun(lengths: Uint8Array, last: number, name: (symbol: number, more: number) => void): void {
  let before = -1;
  for (let at = 0; at <= last;) {
    const length = lengths[at]!;
    // a new length is sent once before it can be repeated
    const most = length === 0 ? 138 : length === before ? 6 : 7;
    let run = 1;
    while (run < most && at + run <= last && lengths[at + run] === length) run++;
    if (run < (length === 0 || length === before ? 3 : 4)) for (let n = 0; n < run; n++) name(length, 0);
    else if (length !== 0) {
      if (length !== before) name(length, 0);
      name(repeat, length === before ? run - 3 : run - 4);
    } else if (run <= 10) name(zeros, run - 3);
    else name(manyZeros, run - 11);
    before = length;
    at += run;
  }
}
