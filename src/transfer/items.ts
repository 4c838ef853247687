// What goes into a destination: the missing paths of a closure, and what belongs to those that are there.

import type { PathInfo } from '../model/path-info.ts';
import type { Realisation } from '../model/realisation.ts';
import { realisationId } from '../model/realisation.ts';
import type { StorePath } from '../model/store-path.ts';
import type { Item, Store, WritableStore } from '../store/store.ts';

/** The missing paths (`infos`), and those that are there but whose realisations the destination may lack. */
export async function itemsFor(
  source: Store,
  destination: WritableStore,
  infos: readonly PathInfo[],
  closure: ReadonlyMap<StorePath, PathInfo>,
  realisations: readonly Realisation[],
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<Item>> {
  const byPath = Map.groupBy(realisations, (r) => r.outPath);
  const missing = new Set(infos.map((info) => info.path));
  const incomplete = await lacking(destination, closure, missing, byPath, signal);
  source.expect?.([...closure.values()].filter((info) => missing.has(info.path)));
  return (async function* () {
    for (const info of closure.values()) {
      if (!missing.has(info.path) && !incomplete.has(info.path)) continue;
      const open: Item['open'] = (options) => source.open(info, options);
      yield { info, open, realisations: byPath.get(info.path), made: source.abilities.makes };
    }
  })();
}

async function lacking(
  destination: WritableStore,
  closure: ReadonlyMap<StorePath, PathInfo>,
  missing: ReadonlySet<StorePath>,
  byPath: ReadonlyMap<StorePath, readonly Realisation[]>,
  signal: AbortSignal | undefined,
): Promise<Set<StorePath>> {
  const there = [...byPath.keys()].filter((path) => !missing.has(path)).map((path) => closure.get(path)!);
  if (there.length === 0) return new Set();
  const known = new Set((await destination.realisations(there, { signal })).map(realisationId));
  return new Set(
    there.map((i) => i.path).filter((path) => byPath.get(path)!.some((r) => !known.has(realisationId(r)))),
  );
}
