// Large memory given back at once: the collector comes late to what lies outside of its heap, and meanwhile it adds up.

import { ffi } from '../format/compression/native.ts';

/** Less than this is left to the collector; it may also be part of a block that others share. */
const least = 1 << 20;

/** Frees the memory of an array that owns it; every view of it is empty from then on. */
export function giveBack({ buffer }: { readonly buffer: ArrayBufferLike }): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= least) buffer.transfer(0);
}

/** Work with so many bytes is worth the 5 to 10 ms that it takes to make room for them. */
const worthIt = 8 << 20;

type Trim = (left: number) => number;

let trim: Trim | undefined;

/**
 * To be called before `size` bytes or more are held. The GNU C library keeps what was freed in small pieces, 40 MB after a
 * thousand files, unless it is told to look for whole pages among it; other libraries are left alone.
 */
export function makeRoom(size: number): void {
  if (size >= worthIt) (trim ??= loadTrim())(0);
}

function loadTrim(): Trim {
  try {
    return ffi().load('libc.so.6', { deep: false }).func('malloc_trim', 'int', ['size_t']) as Trim;
  } catch {
    return () => 0;
  }
}
