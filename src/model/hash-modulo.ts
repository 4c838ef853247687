// The hash of a NAR that contains its own hash part: each occurrence counts as 32 zero bytes, and after the NAR `|` and
// the decimal offset of each are hashed, so that the places still matter.

import { createHash } from 'node:crypto';
import type { ByteSource } from '../bytes/source.ts';
import type { Hash, HashAlgo } from './hash.ts';
import { hashPartLength } from './store-path.ts';

const zeros = new Uint8Array(hashPartLength);

/** Hashes a stream that comes in chunks. The offsets are kept: 8 bytes for each self reference. */
export class SelfHasher {
  readonly #algo: HashAlgo;
  readonly #hash: ReturnType<typeof createHash>;
  readonly #part: Buffer;
  readonly #offsets: number[] = [];
  /** Bytes that may be the beginning of an occurrence; fewer than 32, not hashed yet. */
  #held: Buffer = Buffer.alloc(0);
  /** Bytes hashed. */
  #done = 0;

  constructor(hashPart: string, algo: HashAlgo = 'sha256') {
    if (hashPart.length !== hashPartLength) throw new RangeError(`not a hash part: '${hashPart}'`);
    this.#algo = algo;
    this.#hash = createHash(algo);
    this.#part = Buffer.from(hashPart, 'latin1');
  }

  /** Where the hash part was found so far; not overlapping. */
  get offsets(): readonly number[] {
    return this.#offsets;
  }

  /** Takes the next bytes; they may be reused afterwards. */
  update(chunk: Uint8Array): void {
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    if (this.#held.length > 0) {
      const held = this.#held;
      const border = Buffer.concat([held, bytes.subarray(0, hashPartLength - 1)]);
      const at = border.indexOf(this.#part);
      if (at < 0 && bytes.length < hashPartLength - 1) return this.#pass(border);
      this.#held = Buffer.alloc(0);
      if (at < 0) this.#feed(held);
      else {
        this.#feed(border.subarray(0, at));
        this.#blank();
        bytes = bytes.subarray(at + hashPartLength - held.length);
      }
    }
    this.#pass(bytes);
  }

  /** Hashes all but the last 31 bytes. */
  #pass(bytes: Buffer): void {
    let from = 0;
    for (let at = bytes.indexOf(this.#part); at >= 0; at = bytes.indexOf(this.#part, from)) {
      this.#feed(bytes.subarray(from, at));
      this.#blank();
      from = at + hashPartLength;
    }
    const keepFrom = Math.max(from, bytes.length - (hashPartLength - 1));
    this.#feed(bytes.subarray(from, keepFrom));
    this.#held = Buffer.from(bytes.subarray(keepFrom));
  }

  #feed(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#done += bytes.length;
  }

  #blank(): void {
    this.#offsets.push(this.#done);
    this.#feed(zeros);
  }

  /** The hash; call it once, after the last chunk. */
  digest(): Hash {
    this.#feed(this.#held);
    for (const offset of this.#offsets) this.#hash.update(`|${offset}`);
    return { algo: this.#algo, bytes: this.#hash.digest() };
  }
}

/** Reads `source` to its end and hashes it modulo `hashPart`. Equal to the plain hash where that does not occur. */
export async function hashModulo(source: ByteSource, hashPart: string, algo: HashAlgo = 'sha256'): Promise<Hash> {
  const hasher = new SelfHasher(hashPart, algo);
  for await (const chunk of source) hasher.update(chunk);
  return hasher.digest();
}
