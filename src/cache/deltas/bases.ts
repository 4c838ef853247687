// From which generations of a name deltas are laid: the ones before, and in a cache of deltas also the one that is there in
// full, so that nobody ever needs more than one delta.

import type { StorePath } from '../../model/store-path.ts';
import type { CacheStore } from '../../store/cache/cache-store.ts';
import { readDeltaList } from '../../store/cache/delta-list.ts';
import type { FileOptions } from '../../store/cache/files.ts';
import { narinfoName } from '../../store/cache/narinfo-reader.ts';
import { newestGeneration, readGeneration } from '../generations.ts';

/** Roots of a generation that others are made from. */
export type BaseRoots = readonly StorePath[];

/** At most so many numbers below the newest are looked at: those between may have been collected. */
const mostNumbers = 100;

/** Roots of the newest `count` generations with others than `roots`, the newest first. */
export async function previousGenerations(
  cache: CacheStore,
  name: string,
  roots: readonly StorePath[],
  count: number,
  options: FileOptions = {},
): Promise<BaseRoots[]> {
  const found: BaseRoots[] = [];
  const known = new Set([roots.join()]);
  let next = await newestGeneration(cache, name, options);
  const last = next ? Math.max(next.generation - mostNumbers, 0) : 0;
  for (let number = next?.generation ?? 0; number > last && found.length < count; number--) {
    if (next && !known.has(next.paths.join())) {
      known.add(next.paths.join());
      found.push(next.paths);
    }
    if (number > 1 && found.length < count) next = await readGeneration(cache, name, number - 1, options);
  }
  return found;
}

/** The generation that is there in full: one of `previous`, else what one of them can be made from. */
export async function fullGeneration(
  cache: CacheStore,
  previous: readonly BaseRoots[],
  options: FileOptions = {},
): Promise<BaseRoots | undefined> {
  for (const roots of previous) {
    if (await isFull(cache, roots, options)) return roots;
    for (const { from } of await readDeltaList(cache, roots[0]!, options))
      if (await isFull(cache, from, options)) return from;
  }
  return undefined;
}

async function isFull({ files }: CacheStore, roots: BaseRoots, options: FileOptions): Promise<boolean> {
  for (const root of roots) if (!(await files.stat(narinfoName(root), options))) return false;
  return true;
}
