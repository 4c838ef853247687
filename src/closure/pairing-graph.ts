// One side of a pairing as numbers: paths sorted, references and referrers as indexes, references before referrers.

import { compareBytes } from '../bytes/byte-string.ts';
import { referencesFirst } from '../model/references-first.ts';
import type { StorePath } from '../model/store-path.ts';
import { pathName } from '../model/store-path.ts';

/** What pairing looks at of a path. */
export interface PairedInfo {
  readonly path: StorePath;
  readonly references: readonly StorePath[];
  readonly narSize: number;
}

export interface Side {
  /** Sorted: nothing depends on the order of the map that was given. */
  readonly paths: readonly StorePath[];
  readonly names: readonly string[];
  readonly sizes: readonly number[];
  readonly roots: readonly number[];
  /** References within this side, the path itself left out. */
  readonly below: readonly (readonly number[])[];
  /** Referrers. */
  readonly above: readonly (readonly number[])[];
  /** All indexes, references before referrers. */
  readonly order: readonly number[];
}

/** References and roots that `infos` does not have are ignored. */
export function sideOf(infos: ReadonlyMap<StorePath, PairedInfo>, roots: Iterable<StorePath>): Side {
  const paths = [...infos.keys()].sort(compareBytes);
  const indexes = new Map(paths.map((path, index) => [path, index]));
  const within = (list: Iterable<StorePath>): number[] =>
    [...list].map((path) => indexes.get(path) ?? -1).filter((index) => index >= 0);
  const below = paths.map((path, self) => within(infos.get(path)!.references).filter((index) => index !== self));
  const above: number[][] = paths.map(() => []);
  for (const [referrer, references] of below.entries()) for (const index of references) above[index]!.push(referrer);
  return {
    paths,
    names: paths.map(pathName),
    sizes: paths.map((path) => infos.get(path)!.narSize),
    roots: within(roots),
    below,
    above,
    order: referencesFirst(below),
  };
}
