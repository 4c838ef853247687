// Finds references in bytes as Nix does: the hash part of a candidate path, anywhere, is a reference to it. A window of 32
// bytes is looked at from its end, so that bytes outside the alphabet, which are most, let it jump by up to 32.

import type { ByteSource } from '../bytes/source.ts';
import { isBase32 } from './base32.ts';
import type { StorePath } from './store-path.ts';
import { hashPart, hashPartLength } from './store-path.ts';

const inAlphabet = Uint8Array.from({ length: 256 }, (_, code) => (isBase32(String.fromCharCode(code)) ? 1 : 0));

/** 16 bits of the four bytes from `at` on, mixed by a multiplication (Fibonacci hashing). */
function slot(bytes: Uint8Array, at: number): number {
  const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  return Math.imul(word, -0x61c88647) >>> 16;
}

/** Told of each occurrence, in order, with the offset of its first byte in the whole stream. */
export type OnOccurrence = (part: string, offset: number) => void;

/** Looks for many hash parts at once in a stream that comes in chunks; occurrences may cross their borders. */
export class HashPartScanner {
  /** Hash parts by their first four bytes, which tell nearly all foreign digests at once. */
  readonly #parts = new Map<number, readonly Buffer[]>();
  /** A filter before the map, 65,536 bits that stay in the CPU's cache: in hexadecimal text every byte is a candidate. */
  readonly #heads = new Int32Array(2048);
  readonly #found = new Set<string>();
  readonly #onOccurrence: OnOccurrence | undefined;
  /** The last 31 bytes or fewer of what came before. */
  #tail: Buffer = Buffer.alloc(0);
  /** Bytes that came before. */
  #offset = 0;

  constructor(parts: Iterable<string>, onOccurrence?: OnOccurrence) {
    this.#onOccurrence = onOccurrence;
    for (const part of new Set(parts)) {
      const bytes = Buffer.from(part, 'latin1');
      if (bytes.length !== hashPartLength) throw new RangeError(`not a hash part: '${part}'`);
      const head = bytes.readUInt32LE(0);
      this.#parts.set(head, [...(this.#parts.get(head) ?? []), bytes]);
      const bit = slot(bytes, 0);
      this.#heads[bit >>> 5]! |= 1 << (bit & 31);
    }
  }

  /** The hash parts that have been seen. */
  get found(): ReadonlySet<string> {
    return this.#found;
  }

  /** Takes the next bytes; they may be reused afterwards. */
  update(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    const overlap = hashPartLength - 1;
    const border = Buffer.concat([this.#tail, bytes.subarray(0, overlap)]);
    if (this.#tail.length > 0) this.#scan(border, this.#offset - this.#tail.length);
    this.#scan(bytes, this.#offset);
    this.#offset += bytes.length;
    this.#tail = Buffer.from(bytes.length >= overlap ? bytes.subarray(-overlap) : border.subarray(-overlap));
  }

  /** Each byte is looked at about once: what a window showed to be of the alphabet is not looked at in the next. */
  #scan(bytes: Buffer, base: number): void {
    const last = bytes.length - hashPartLength;
    const heads = this.#heads;
    let checkedTo = 0;
    for (let start = 0; start <= last;) {
      const end = start + hashPartLength;
      let at = end - 1;
      while (at >= checkedTo && inAlphabet[bytes[at]!] === 1) at--;
      if (at >= checkedTo) {
        start = at + 1;
        checkedTo = end;
        continue;
      }
      // All 32 are digits: go on byte by byte as long as digits follow.
      let next = end;
      do {
        const bit = slot(bytes, start);
        if (((heads[bit >>> 5]! >>> (bit & 31)) & 1) === 1) this.#candidate(bytes, start, base);
        start++;
        next++;
      } while (next <= bytes.length && inAlphabet[bytes[next - 1]!] === 1);
      start = next;
      checkedTo = next;
    }
  }

  #candidate(bytes: Buffer, start: number, base: number): void {
    const parts = this.#parts.get(bytes.readUInt32LE(start));
    if (parts === undefined) return;
    for (const part of parts) {
      if (bytes.compare(part, 0, hashPartLength, start, start + hashPartLength) !== 0) continue;
      const text = part.toString('latin1');
      this.#found.add(text);
      this.#onOccurrence?.(text, base + start);
    }
  }
}

/** The candidates that `source` (a NAR, or a file) refers to, in the order of `candidates`. */
export async function scanReferences(source: ByteSource, candidates: readonly StorePath[]): Promise<StorePath[]> {
  const scanner = new HashPartScanner(candidates.map(hashPart));
  for await (const chunk of source) scanner.update(chunk);
  return candidates.filter((path) => scanner.found.has(hashPart(path)));
}
