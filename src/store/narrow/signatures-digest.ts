// Whether two sides know the same signatures, in eight bytes: almost always they do.

import { createHash } from 'node:crypto';
import { compareBytes } from '../../bytes/byte-string.ts';
import type { PathInfo } from '../../model/path-info.ts';

/** Over paths and their signatures; empty when there is none. */
export function signaturesDigest(infos: Iterable<PathInfo>): Uint8Array {
  const lines = [...infos]
    .filter(({ signatures }) => signatures.length > 0)
    .map(({ path, signatures }) => `${path} ${signatures.join(' ')}\n`)
    .sort(compareBytes);
  if (lines.length === 0) return Buffer.alloc(0);
  return createHash('sha256').update(lines.join('')).digest().subarray(0, 8);
}
