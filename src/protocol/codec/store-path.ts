// Store paths travel in full.

import { isHashPart, parseBaseName, parseStorePath, printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { NarrowError } from '../../errors.ts';
import { list, orNone, textual } from './codec.ts';
import type { Codec, TextCodec } from './codec.ts';

export const path: TextCodec<StorePath> = textual(
  (text, peer) => parseStorePath(peer.storeDir, text),
  (value, peer) => printStorePath(peer.storeDir, value),
);

export const optionalPath: Codec<StorePath | undefined> = orNone(path);

/** Without the store directory. */
export const baseName: TextCodec<StorePath> = textual(parseBaseName, (value) => value);

/** A set, in any order: whoever reads it sorts it. */
export const pathSet: Codec<readonly StorePath[]> = list(path);

/** The 32 digits that a path begins with. */
export const hashDigits: TextCodec<string> = textual(
  (text) => {
    if (isHashPart(text)) return text;
    throw new NarrowError('format', `expected the hash part of a store path, got '${text.slice(0, 100)}'`);
  },
  (value) => value,
);
