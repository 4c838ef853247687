// `file://DIR`: a binary cache in a directory, to be served by any web server.

import { readdir } from 'node:fs/promises';
import { ioError, isNarrowError } from '../errors.ts';
import { isHashPart } from '../model/store-path.ts';
import type { StorePath } from '../model/store-path.ts';
import { DirectoryFiles } from './cache/directory-files.ts';
import type { CacheStore } from './cache/cache-store.ts';
import { openCache } from './cache/opening.ts';
import type { OpenContext, OpenMode } from './open-context.ts';
import type { ListOptions, ListedStore } from './store.ts';

/** Opens, or in mode `write` is ready to make, the cache in `directory`. Throws `missing`, `refused`, `format`, `io`. */
export async function openFileCache(
  directory: string,
  params: URLSearchParams,
  context: OpenContext,
  mode: OpenMode = 'read',
): Promise<CacheStore & ListedStore> {
  const files = new DirectoryFiles(directory, {
    // loaded only for a cache whose narinfos lead to other hosts
    elsewhere: async (url, options) => (await import('./http.ts')).openElsewhere(url, context, options),
  });
  const store = await openCache(files, params, mode, context);
  return Object.assign(store, { allPaths: (options?: ListOptions) => allPaths(store, directory, options) });
}

/** Only a directory can be listed: web servers have no common way. */
async function allPaths(store: CacheStore, directory: string, options: ListOptions = {}): Promise<StorePath[]> {
  const paths: StorePath[] = [];
  for (const hashPart of await hashParts(directory)) {
    options.signal?.throwIfAborted();
    try {
      const path = await store.pathByHashPart(hashPart, options);
      if (path !== undefined) paths.push(path);
    } catch (error) {
      const damage = isNarrowError(error, 'format') || isNarrowError(error, 'integrity');
      if (!damage || !options.onDamage) throw error;
      options.onDamage(error);
    }
  }
  return paths;
}

async function hashParts(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory);
    const infos = names.filter((name) => name.endsWith('.narinfo')).map((name) => name.slice(0, -'.narinfo'.length));
    return infos.filter(isHashPart).sort();
  } catch (error) {
    throw ioError('list', directory, error);
  }
}
