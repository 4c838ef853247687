// Files whose reads are taken back: what one read handed out is overwritten by the next.

import type { RandomBytes } from '../../../src/delta/random-bytes.ts';

/** Bytes in memory, lent through one buffer. */
export function lent(bytes: Buffer): RandomBytes {
  let buffer = Buffer.alloc(0);
  return {
    size: bytes.length,
    read(offset, length) {
      if (offset < 0 || offset + length > bytes.length) throw new RangeError('read outside the file');
      if (buffer.length < length) buffer = Buffer.alloc(length);
      buffer.fill(0xee);
      bytes.copy(buffer, 0, offset, offset + length);
      return buffer.subarray(0, length);
    },
  };
}
