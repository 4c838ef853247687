// The stores of a push: where paths come from, the cache that they go to, by which way, and the caches that spare some of them.

import { byWayOf, farCache } from '../cache/far-cache.ts';
import type { CacheStore } from '../store/cache/cache-store.ts';
import { cacheUrl, openCacheStore } from '../store/open-cache.ts';
import type { OpenContext } from '../store/open-context.ts';
import { openStore } from '../store/open.ts';
import type { Store, WritableStore } from '../store/store.ts';
import { withKeys } from './secret-keys.ts';

export interface PlaceOptions {
  readonly from: string;
  /** Files of secret keys. */
  readonly key?: readonly string[];
  readonly skipUpstream?: readonly string[];
}

export interface PushPlaces {
  readonly source: Store;
  readonly cache: CacheStore;
  /** Undefined: through the cache's files. */
  readonly way: WritableStore | undefined;
  readonly upstreams: readonly Store[];
  /** A narrow that was named is not used. */
  readonly roundabout: boolean;
}

/** Opens them into `stack`. Throws what opening each throws. */
export async function openPlaces(
  stack: AsyncDisposableStack,
  cacheText: string,
  { from, key = [], skipUpstream = [] }: PlaceOptions,
  open: OpenContext,
): Promise<PushPlaces> {
  const source = stack.use(await openStore(from, open));
  const far = farCache(cacheText);
  const cache = stack.use(await openCacheStore(withKeys(far?.sftp ?? cacheText, key), open, 'write'));
  const upstreams: Store[] = [];
  for (const url of skipUpstream) upstreams.push(stack.use(await openStore(cacheUrl(url), open)));
  // a narrow there cannot be told what need not come since other caches have it
  const roundabout = far !== undefined && (upstreams.length > 0 || cache.params.deltasOnly);
  const way = far && !roundabout ? byWayOf(stack.use(await openStore(far.ssh, open, 'write')), cache) : undefined;
  return { source, cache, way, upstreams, roundabout };
}
