// Bytes from one open file to another, both regular, at places of their own: neither file's position moves, so any number
// of threads may do it at once.

import { closeSync, readSync, writeSync } from 'node:fs';
import { NarrowError, ioError } from '../errors.ts';

/** A descriptor, what its file is called in errors, and where in it to begin. */
export interface RangeEnd {
  readonly fd: number;
  readonly name: string;
  readonly at: number;
}

export interface RangeCopy {
  readonly from: RangeEnd;
  readonly to: RangeEnd;
  /** Bytes. */
  readonly length: number;
  /** The descriptor that only this copy needed, closed behind it, come what may. */
  readonly close: number;
}

/** Copies, through `buffer`. Throws `io`; `integrity` when the source is shorter than that. */
export function copyRange({ from, to, length, close }: RangeCopy, buffer: Uint8Array): void {
  let open = true;
  try {
    for (let done = 0; done < length;) {
      const size = readSome(from, done, length - done, buffer);
      if (size === 0) throw cutShort(from, length, done);
      writeWhole(to, buffer.subarray(0, size), done);
      done += size;
    }
    open = false;
    closeSync(close);
  } finally {
    if (open) closeSync(close);
  }
}

function readSome({ fd, name, at }: RangeEnd, done: number, left: number, buffer: Uint8Array): number {
  try {
    return readSync(fd, buffer, 0, Math.min(buffer.length, left), at + done);
  } catch (error) {
    throw ioError('read', name, error);
  }
}

function writeWhole({ fd, name, at }: RangeEnd, bytes: Uint8Array, done: number): void {
  try {
    for (let put = 0; put < bytes.length;) put += writeSync(fd, bytes, put, bytes.length - put, at + done + put);
  } catch (error) {
    throw ioError('write', name, error);
  }
}

function cutShort({ name, at }: RangeEnd, length: number, done: number): NarrowError {
  const expected = `wanted ${length} bytes from ${at}, got ${done}`;
  return new NarrowError('integrity', `${name} is shorter than expected: ${expected}`);
}
