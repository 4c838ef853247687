// Finds where any of many hash parts stand in bytes. The scan is the one of model/references-scan.ts: a window of 32 bytes is
// looked at from its end, so that bytes outside the alphabet, which are most, let it jump by up to 32.

import { isBase32 } from '../model/base32.ts';
import { hashPartLength } from '../model/store-path.ts';

const inAlphabet = Uint8Array.from({ length: 256 }, (_, code) => (isBase32(String.fromCharCode(code)) ? 1 : 0));

/** Starts of occurrences in ascending order, and which key stands there. */
export interface Occurrences {
  readonly starts: number[];
  readonly keys: number[];
}

export function noOccurrences(): Occurrences {
  return { starts: [], keys: [] };
}

/** Looks for hash parts; they are numbered in the order given. */
export class OccurrenceFinder {
  readonly #keys: Buffer;
  /** Numbers of the keys by their first four bytes. */
  readonly #byHead = new Map<number, number[]>();
  /** A filter before the map, 65,536 bits: in hexadecimal text every byte is a candidate. */
  readonly #heads = new Int32Array(2048);

  constructor(keys: readonly string[]) {
    this.#keys = Buffer.from(keys.join(''), 'latin1');
    if (this.#keys.length !== keys.length * hashPartLength || !isBase32(this.#keys.toString('latin1')))
      throw new RangeError('hash parts are 32 digits of base 32');
    for (let key = 0; key < keys.length; key++) {
      const head = this.#keys.readInt32LE(key * hashPartLength);
      const others = this.#byHead.get(head);
      if (others === undefined) this.#byHead.set(head, [key]);
      else others.push(key);
      const bit = Math.imul(head, -0x61c88647) >>> 16;
      this.#heads[bit >>> 5]! |= 1 << (bit & 31);
    }
  }

  /** Appends the occurrences that lie in bytes `from` to `to`; `base` is added to their starts. */
  find(bytes: Buffer, from: number, to: number, base: number, found: Occurrences): void {
    const last = to - hashPartLength;
    const heads = this.#heads;
    let checkedTo = from;
    for (let start = from; start <= last;) {
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
        const head = bytes[start]! | (bytes[start + 1]! << 8) | (bytes[start + 2]! << 16) | (bytes[start + 3]! << 24);
        const bit = Math.imul(head, -0x61c88647) >>> 16;
        if (((heads[bit >>> 5]! >>> (bit & 31)) & 1) === 1) this.#candidate(bytes, start, head, base, found);
        start++;
        next++;
      } while (next <= to && inAlphabet[bytes[next - 1]!] === 1);
      start = next;
      checkedTo = next;
    }
  }

  #candidate(bytes: Buffer, start: number, head: number, base: number, found: Occurrences): void {
    for (const key of this.#byHead.get(head) ?? []) {
      const at = key * hashPartLength;
      if (bytes.compare(this.#keys, at, at + hashPartLength, start, start + hashPartLength) !== 0) continue;
      found.starts.push(base + start);
      found.keys.push(key);
    }
  }
}
