// Finds out whether what a bundle leaves to caches can be had: all of it, before anything is written.

import { walkClosure } from '../closure/walk.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import type { Bundle } from '../store/bundle/bundle.ts';
import type { Store } from '../store/store.ts';

export interface Fetchable {
  /** What would be fetched. */
  readonly infos: ReadonlyMap<StorePath, PathInfo>;
  /** What cannot, and why. */
  readonly failed: ReadonlyMap<StorePath, string>;
}

/** Asks the caches that `bundle` names for what `store` does not have of it, with all that refers to. */
export async function fetchable(bundle: Bundle, store: Store, signal?: AbortSignal): Promise<Fetchable> {
  const there = new Set<StorePath>();
  const query = async (paths: readonly StorePath[]): Promise<Map<StorePath, PathInfo>> => {
    const known = await store.pathInfos(paths, { signal });
    for (const path of known.keys()) there.add(path);
    const rest = paths.filter((path) => !known.has(path));
    const fetched = rest.length > 0 ? await bundle.bases.pathInfos(rest, { signal }) : new Map<StorePath, PathInfo>();
    return new Map([...known, ...fetched]);
  };
  const urls = bundle.substitutable;
  const { infos, missing } = await walkClosure(query, urls.keys());
  const failed = new Map(missing.map(({ path }) => [path, whyNot(bundle, urls, path)]));
  for (const { path, references } of infos.values()) {
    const lacking = there.has(path) ? undefined : references.find((one) => failed.has(one));
    if (lacking !== undefined) failed.set(path, failed.get(lacking)!);
  }
  return { infos: new Map([...infos].filter(([path]) => !there.has(path) && !failed.has(path))), failed };
}

function whyNot({ bases, about }: Bundle, urls: ReadonlyMap<StorePath, string>, path: StorePath): string {
  const named = urls.get(path);
  const asked = named === undefined ? (about.substitutable ?? []).map(({ url }) => url) : [named];
  const silent = asked.map((url) => bases.failures.get(url)).find((failure) => failure !== undefined);
  return silent ? silent.message : `${asked.join(' and ')} ${asked.length > 1 ? 'do' : 'does'} not have ${path}`;
}
