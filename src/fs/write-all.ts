// Writes a stream to a descriptor, synchronously and piece by piece. Measured against writing on libuv's threads while the
// next piece is made: each hand-over costs two wake-ups of about 0.1 ms, and pieces big enough to make up for that (1 MiB)
// cost ext4 four times the system time of pieces of 64 to 256 KiB. So a second thread makes it slower, not faster.

import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { ByteSource } from '../bytes/source.ts';
import { ioError } from '../errors.ts';

/** The event loop gets a turn each time this many bytes were written, so that signals are heard. */
const TURN = 16 << 20;

/** Writes all of `source` to `fd`, named `path` in errors; `fd` stays open. Returns the bytes written. */
export async function writeAll(source: ByteSource, fd: number, path: string): Promise<number> {
  using output = new Output(fd, path);
  if (Symbol.iterator in source) {
    for (const chunk of source) if (!output.write(chunk)) await output.rest(chunk);
  } else {
    for await (const chunk of source) if (!output.write(chunk)) await output.rest(chunk);
  }
  return output.written;
}

class Output implements Disposable {
  written = 0;
  readonly #path: string;
  readonly #fd: number;
  readonly #own: number | undefined;
  /** How much of the current chunk was written. */
  #at = 0;
  #sinceTurn = 0;

  constructor(fd: number, path: string) {
    this.#path = path;
    this.#own = reopenedPipe(fd);
    this.#fd = this.#own ?? fd;
  }

  /** Writes as much of `chunk` as goes at once; false when `rest` has to be awaited. */
  write(chunk: Uint8Array): boolean {
    this.#at = 0;
    return this.#some(chunk) && this.#sinceTurn < TURN;
  }

  /** Gives the event loop a turn, and writes what is left of `chunk`. */
  async rest(chunk: Uint8Array): Promise<void> {
    this.#sinceTurn = 0;
    await setImmediate();
    while (!this.#some(chunk)) await setTimeout(1);
  }

  /** False when the other side takes no more for now. */
  #some(chunk: Uint8Array): boolean {
    try {
      while (this.#at < chunk.length) {
        const count = writeSync(this.#fd, chunk, this.#at);
        this.#at += count;
        this.written += count;
        this.#sinceTurn += count;
      }
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
      throw ioError('write', this.#path, error);
    }
  }

  [Symbol.dispose](): void {
    if (this.#own !== undefined) closeSync(this.#own);
  }
}

/**
 * A pipe opened once more. Node makes its standard output non-blocking, and that is a property of the pipe's end, which may
 * be shared with others: opening it again gives an end of our own that waits in the kernel. Not possible for sockets.
 */
function reopenedPipe(fd: number): number | undefined {
  try {
    return fstatSync(fd).isFIFO() ? openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY) : undefined;
  } catch {
    return undefined;
  }
}
