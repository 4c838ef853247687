// SHA-256 of a NAR that contains its own hash part: each occurrence counts as zeros, and its offset is hashed at the end.

import { createHash } from 'node:crypto';

const length = 32;
const zeros = Buffer.alloc(length);

/** Takes the NAR in pieces; see "hash modulo" in docs/formats on content addresses. */
export class ModuloHash {
  readonly #needle: Buffer;
  readonly #hasher = createHash('sha256');
  readonly #offsets: number[] = [];
  /** The end of what was seen, in which an occurrence may begin. */
  #tail: Buffer = Buffer.alloc(0);
  /** Offset of the tail in the NAR. */
  #position = 0;

  constructor(hashPart: string) {
    this.#needle = Buffer.from(hashPart, 'latin1');
  }

  update(chunk: Uint8Array): void {
    const bytes =
      this.#tail.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
        : Buffer.concat([this.#tail, chunk]);
    let start = 0;
    for (let at = bytes.indexOf(this.#needle); at >= 0; at = bytes.indexOf(this.#needle, start)) {
      this.#hasher.update(bytes.subarray(start, at)).update(zeros);
      this.#offsets.push(this.#position + at);
      start = at + length;
    }
    const end = Math.max(start, bytes.length - (length - 1));
    this.#hasher.update(bytes.subarray(start, end));
    this.#tail = Buffer.from(bytes.subarray(end));
    this.#position += end;
  }

  digest(): Buffer {
    this.#hasher.update(this.#tail);
    for (const offset of this.#offsets) this.#hasher.update(`|${offset}`);
    return this.#hasher.digest();
  }
}
