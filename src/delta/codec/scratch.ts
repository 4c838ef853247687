// Buffers that are used again for each window: memory that is thrown away comes back late.

/** One buffer, as big as the biggest that was asked for. */
export class Scratch {
  #buffer: Buffer = Buffer.alloc(0);

  /** `size` bytes of any content, until the next call. */
  take(size: number): Buffer {
    if (this.#buffer.length < size) this.#buffer = Buffer.allocUnsafeSlow(size);
    return this.#buffer.subarray(0, size);
  }
}
