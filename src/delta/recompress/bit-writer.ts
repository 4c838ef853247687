// Bits into bytes, lowest first, up to a limit; optionally compared with what is expected, to stop at the first difference.

export class BitWriter {
  readonly #bytes: Uint8Array;
  readonly #expected: Uint8Array | undefined;
  #at = 0;
  #bits = 0;
  #count = 0;
  #compared = 0;
  #full = false;

  /** Writes at most `limit` bytes. */
  constructor(limit: number, expected?: Uint8Array) {
    this.#bytes = new Uint8Array(limit);
    this.#expected = expected;
  }

  /** Whole bytes so far. */
  get size(): number {
    return this.#at;
  }

  /** False once there was no room, or once what was written differs from what is expected. */
  fits(): boolean {
    if (this.#full) return false;
    if (!this.#expected) return true;
    const [from, to] = [this.#compared, this.#at];
    this.#compared = to;
    return Buffer.compare(this.#bytes.subarray(from, to), this.#expected.subarray(from, to)) === 0;
  }

  /** The lowest `count` bits, at most 16. */
  bits(value: number, count: number): void {
    this.#bits |= value << this.#count;
    this.#count += count;
    while (this.#count >= 8) {
      if (this.#at < this.#bytes.length) this.#bytes[this.#at++] = this.#bits & 255;
      else this.#full = true;
      this.#bits >>>= 8;
      this.#count -= 8;
    }
  }

  /** Fills the last byte with zeros. */
  align(): void {
    if (this.#count > 0) this.bits(0, 8 - this.#count);
  }

  /** After {@link align}. */
  raw(bytes: Uint8Array): void {
    if (bytes.length > this.#bytes.length - this.#at) this.#full = true;
    else {
      this.#bytes.set(bytes, this.#at);
      this.#at += bytes.length;
    }
  }

  /** What was written, in whole bytes. */
  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }
}
