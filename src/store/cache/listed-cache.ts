// All paths of a cache whose directory can be listed.

import { isNarrowError } from '../../errors.ts';
import { isHashPart } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { ListOptions, ListedStore } from '../store.ts';
import type { CacheStore } from './cache-store.ts';
import { forEachAtOnce } from './slots.ts';

/** The same cache, which can say what it has; `names` are those of the files directly in it. */
export function listedCache(store: CacheStore, names: () => Promise<readonly string[]>): CacheStore & ListedStore {
  const allPaths = async (options: ListOptions = {}): Promise<StorePath[]> => pathsOf(store, await names(), options);
  return Object.assign(store, { allPaths });
}

async function pathsOf(store: CacheStore, names: readonly string[], options: ListOptions): Promise<StorePath[]> {
  const infos = names.filter((name) => name.endsWith('.narinfo')).map((name) => name.slice(0, -'.narinfo'.length));
  const parts = infos.filter(isHashPart).sort();
  const found = new Map<string, StorePath>();
  await forEachAtOnce(parts, store.files.concurrency, async (part) => {
    options.signal?.throwIfAborted();
    try {
      const path = await store.pathByHashPart(part, options);
      if (path !== undefined) found.set(part, path);
    } catch (error) {
      const damage = isNarrowError(error, 'format') || isNarrowError(error, 'integrity');
      if (!damage || !options.onDamage) throw error;
      options.onDamage(error);
    }
  });
  return parts.flatMap((part) => found.get(part) ?? []);
}
