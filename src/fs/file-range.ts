// A part of a file, read synchronously: for threads that have nothing else to do, and for files that are surely in memory.

import { closeSync, constants, openSync, readSync } from 'node:fs';
import { ioError } from '../errors.ts';

/** Plain data, so that it can pass to another thread. */
export interface FileRange {
  readonly path: string;
  /** What the file is called in errors. */
  readonly name: string;
  readonly offset: number;
  /** Bytes; the file may end before. */
  readonly length: number;
}

/** Read at a time, in bytes. */
const READ_SIZE = 256 * 1024;

/** Buffers for the next reader: fresh ones count as external memory, which makes the collector run. */
const spare: Buffer[] = [];

/** The bytes of a range. Chunks are borrowed. Throws `io`. */
export function* readRange({ path, name, offset, length }: FileRange): Generator<Uint8Array, void, undefined> {
  const fd = attempt('open', name, () => openSync(path, constants.O_RDONLY));
  const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(READ_SIZE);
  try {
    for (let done = 0; done < length;) {
      const wanted = Math.min(READ_SIZE, length - done);
      const count = attempt('read', name, () => readSync(fd, buffer, 0, wanted, offset + done));
      if (count === 0) return;
      done += count;
      yield count === READ_SIZE ? buffer : buffer.subarray(0, count);
    }
  } finally {
    spare.push(buffer);
    closeSync(fd);
  }
}

function attempt<T>(action: string, name: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw ioError(action, name, error);
  }
}
