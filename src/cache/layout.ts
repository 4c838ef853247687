// Where a cache keeps what narrow knows of it: files below `narrow/`, which stock Nix never asks for.
// docs/formats/cache-roots.md describes them.

import { NarrowError } from '../errors.ts';

export const ownDirectory = 'narrow/';
export const namesDirectory = 'narrow/names';
export const pinsDirectory = 'narrow/pins';
export const pushesDirectory = 'narrow/pushes';
export const indexName = 'narrow/index';
export const upstreamsName = 'narrow/upstreams';
/** Beside the generations of a name: a copy of the newest. */
export const latest = 'latest';

/** A name of generations or of a pin: it is part of file names. Throws `usage`. */
export function checkRootName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$/.test(name) && name !== latest) return name;
  throw new NarrowError('usage', `bad name '${name}'`, {
    hint: "letters, digits and '.', '_', '+', '-', beginning with a letter or digit: fnord, or pi1.home",
  });
}
