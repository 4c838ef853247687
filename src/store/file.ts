// `file://DIR`: a binary cache in a directory, to be served by any web server.

import { readdir } from 'node:fs/promises';
import { ioError } from '../errors.ts';
import { DirectoryFiles } from './cache/directory-files.ts';
import type { CacheStore } from './cache/cache-store.ts';
import { listedCache } from './cache/listed-cache.ts';
import { openCache } from './cache/opening.ts';
import type { OpenContext, OpenMode } from './open-context.ts';
import type { ListedStore } from './store.ts';

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
  return listedCache(store, () => namesIn(directory));
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    // yet to be made
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw ioError('list', directory, error);
  }
}
