// How large paths are: alone, with all they need, and what only they keep.

import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';

export interface PathSizes {
  readonly path: StorePath;
  /** Bytes of its NAR. */
  readonly own: number;
  /** Bytes of the NARs of all it needs, itself included. */
  readonly closure: number;
  /** Bytes that would go if the roots no longer needed it: its NAR and those of paths that only it leads to. */
  readonly added: number;
}

type Infos = ReadonlyMap<StorePath, PathInfo>;

/** Everything `roots` lead to within `infos`, without walking through `except`. */
export function reachable(infos: Infos, roots: Iterable<StorePath>, except?: StorePath): Set<StorePath> {
  const seen = new Set<StorePath>();
  const open = [...roots];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const info = path === except || seen.has(path) ? undefined : infos.get(path);
    if (!info) continue;
    seen.add(path);
    open.push(...info.references);
  }
  return seen;
}

/** The bytes of the NARs of `paths`. */
export function sumSizes(infos: Infos, paths: Iterable<StorePath>): number {
  let sum = 0;
  for (const path of paths) sum += infos.get(path)?.narSize ?? 0;
  return sum;
}

/** Sizes of `paths` in the closure of `roots`. Each takes two walks of the closure. */
export function sizesOf(infos: Infos, roots: readonly StorePath[], paths: Iterable<StorePath>): PathSizes[] {
  const total = sumSizes(infos, reachable(infos, roots));
  return [...paths].map((path) => ({
    path,
    own: infos.get(path)?.narSize ?? 0,
    closure: sumSizes(infos, reachable(infos, [path])),
    added: total - sumSizes(infos, reachable(infos, roots, path)),
  }));
}
