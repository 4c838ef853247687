// Reads the stream of fresh contents: see solid.ts.

import type { NarrowError, Place } from '../errors.ts';
import { formatError } from '../errors.ts';

/** Decompresses fresh contents, batch after batch. */
export interface SolidDecoder extends Disposable {
  /** Gives the compressed contents of the next batch; those of the last one must have been read. */
  feed(bytes: Uint8Array): void;
  /** The next `size` bytes, borrowed until the next are read; a `format` error where there are fewer. */
  read(size: number, place: Place): Promise<Buffer>;
  /** True when all that was fed has been read. */
  drained(): Promise<boolean>;
}

export function badContents(place: Place, cause: Error): NarrowError {
  return formatError('bad compressed contents', place, { cause, got: cause.message });
}

export function shortContents(place: Place, expected: number, got: number): NarrowError {
  return formatError('compressed contents end too early', place, { expected: `${expected} bytes`, got: `${got}` });
}
