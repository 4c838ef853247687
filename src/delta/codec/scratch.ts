// Buffers that are used again for each window, and given back with the last: memory that is thrown away comes back late.

import { giveBack } from '../give-back.ts';
import { copyInto, type RandomBytes } from '../random-bytes.ts';

/** One buffer, as big as the biggest that was asked for. */
export class Scratch implements Disposable {
  #buffer: Buffer = Buffer.alloc(0);

  /** `size` bytes of any content, until the next call. */
  take(size: number): Buffer {
    if (this.#buffer.length < size) {
      giveBack(this.#buffer);
      this.#buffer = Buffer.allocUnsafeSlow(size);
    }
    return this.#buffer.subarray(0, size);
  }

  /** A copy of a whole file, until the next call. */
  copy(file: RandomBytes): Buffer {
    return copyInto(this.take(file.size), file, 0);
  }

  [Symbol.dispose](): void {
    giveBack(this.#buffer);
    this.#buffer = Buffer.alloc(0);
  }
}
