// A pass-through with a ceiling. A compressed stream may be a bomb: whoever knows the size it must have (NarSize) stops it there.

import { NarrowError } from '../errors.ts';
import type { ByteSource } from './source.ts';

/** What to do about a source that is shorter than promised. */
export interface LimitOptions {
  /** Fail, too, when fewer than the given bytes arrive. */
  readonly exact?: boolean;
}

/**
 * Passes at most `size` bytes of `source` on. One byte more is an `integrity` error, thrown before any of it is handed on;
 * `what` names the thing in the message, as in "the NAR of /nix/store/…".
 */
export async function* limited(
  source: ByteSource,
  size: number,
  what: string,
  { exact = false }: LimitOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  let seen = 0;
  for await (const chunk of source) {
    seen += chunk.length;
    if (seen > size) {
      throw new NarrowError('integrity', `${what} is longer than promised: expected ${size} bytes, got more`, {
        data: { expected: size, got: seen },
      });
    }
    yield chunk;
  }
  if (exact && seen < size) {
    throw new NarrowError('integrity', `${what} is shorter than promised: expected ${size} bytes, got ${seen}`, {
      data: { expected: size, got: seen },
    });
  }
}
