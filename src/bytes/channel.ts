// From push to pull: one side pushes chunks and waits, the other reads them as a source. Nothing is copied or held back: a
// push is over when the reader asks for the next chunk, so a borrowed chunk stays valid as long as it is looked at.

import { NarrowError } from '../errors.ts';

export class Channel implements AsyncIterable<Uint8Array> {
  #chunk: Uint8Array | undefined;
  #ended = false;
  #failure: Error | undefined;
  /** The reader has left. */
  #closed = false;
  #wakeReader: (() => void) | undefined;
  #taken: (() => void) | undefined;

  /** Hands a chunk over; resolves when the reader is done with it. Throws `aborted` when the reader has left. */
  async push(chunk: Uint8Array): Promise<void> {
    if (chunk.length === 0) return;
    this.#expectReader();
    this.#chunk = chunk;
    this.#wakeReader?.();
    await new Promise<void>((resolve) => (this.#taken = resolve));
    this.#expectReader();
  }

  /** No more chunks; or the reader is to fail with `failure`. */
  end(failure?: Error): void {
    this.#ended = true;
    this.#failure = failure;
    this.#wakeReader?.();
  }

  /** The reader will not come, or not come back. */
  leave(): void {
    this.#closed = true;
    this.#taken?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        if (this.#chunk) {
          yield this.#chunk;
          this.#chunk = undefined;
          this.#taken?.();
        }
        if (this.#chunk) continue;
        if (this.#failure) throw this.#failure;
        if (this.#ended) return;
        await new Promise<void>((resolve) => (this.#wakeReader = resolve));
      }
    } finally {
      this.leave();
    }
  }

  #expectReader(): void {
    if (this.#closed) throw new NarrowError('aborted', 'the reader of these bytes has left');
  }
}
