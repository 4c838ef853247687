// Opening a static cache as the files it is made of, for commands that look after it.

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { NarrowError } from '../errors.ts';
import type { CacheStore } from './cache/cache-store.ts';
import type { OpenContext, OpenMode } from './open-context.ts';
import { openStore } from './open.ts';
import type { Store } from './store.ts';

/** The URL of a cache as people name it: a directory is a cache here, and no store. */
export function cacheUrl(text: string): string {
  const [place = '', search] = text.split(/\?(.*)/s);
  const isPath = !/^[a-z][a-z0-9+-]*:/i.test(place) && (place.includes('/') || place === '.' || place === '..');
  return isPath ? `${pathToFileURL(resolve(place)).href}${search === undefined ? '' : `?${search}`}` : text;
}

export function isCache(store: Store): store is CacheStore {
  return 'files' in store && 'params' in store;
}

/** Throws `unsupported` for stores that are no static caches, and what {@link openStore} throws. */
export async function openCacheStore(text: string, context: OpenContext, mode: OpenMode): Promise<CacheStore> {
  const store = await openStore(cacheUrl(text), context, mode);
  if (isCache(store)) return store;
  await store[Symbol.asyncDispose]();
  throw new NarrowError('unsupported', `${store.url} is no static cache`, {
    hint: 'name a directory, file://DIR, sftp://HOST/DIR, s3://BUCKET, or https://HOST',
  });
}
