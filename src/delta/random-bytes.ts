// A file that is read at random and answers at once: what deltas are made against.

/** Contents of `size` bytes. What `read` hands out is borrowed until the next read. */
export interface RandomBytes {
  readonly size: number;
  /** Exactly `length` bytes from `offset` on, which must lie within the file. */
  read(offset: number, length: number): Uint8Array;
  /** The whole of it, where it is in memory anyway; not to be written to. */
  readonly whole?: Uint8Array;
}

/** Bytes that are in memory already. */
export function inMemory(bytes: Uint8Array): RandomBytes {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length), whole: bytes };
}

/** The same bytes as a Buffer. */
export function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

/** A copy of a range of a file. */
export function copyOf(file: RandomBytes, offset: number, length: number): Buffer {
  return copyInto(Buffer.allocUnsafeSlow(length), file, offset);
}

/** Fills `copy` from a place on. Read piece by piece, so that the file's own buffer stays small. */
export function copyInto(copy: Buffer, file: RandomBytes, offset: number): Buffer {
  for (let done = 0; done < copy.length; done += piece)
    copy.set(file.read(offset + done, Math.min(piece, copy.length - done)), done);
  return copy;
}

const piece = 1 << 20;
