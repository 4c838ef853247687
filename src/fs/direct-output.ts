// Writes to a descriptor, synchronously: small pieces on another thread cost ext4 four times the system time, and a hand-over
// for each of them as much as writing it.

import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { ioError } from '../errors.ts';

export class DirectOutput implements Disposable {
  /** What is written to: `fd`, or what it leads to, opened once more. */
  readonly fd: number;
  readonly #path: string;
  readonly #own: number | undefined;

  /** Output to `fd`, named `path` in errors; `fd` stays open. */
  constructor(fd: number, path: string) {
    this.#path = path;
    this.#own = reopenedPipe(fd);
    this.fd = this.#own ?? fd;
  }

  /** Writes as much of `chunk`, from `at` on, as the other side takes for now; returns how far that is. Throws `io`. */
  some(chunk: Uint8Array, at = 0): number {
    let done = at;
    try {
      while (done < chunk.length) done += writeSync(this.fd, chunk, done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw ioError('write', this.#path, error);
    }
    return done;
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
