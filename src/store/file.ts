// `file://DIR`: a binary cache in a directory, to be served by any web server.

import { DirectoryFiles } from './cache/directory-files.ts';
import type { CacheStore } from './cache/cache-store.ts';
import { openCache } from './cache/opening.ts';
import type { OpenContext, OpenMode } from './open.ts';

/** Opens, or in mode `write` is ready to make, the cache in `directory`. Throws `missing`, `refused`, `format`, `io`. */
export function openFileCache(
  directory: string,
  params: URLSearchParams,
  context: OpenContext,
  mode: OpenMode = 'read',
): Promise<CacheStore> {
  const files = new DirectoryFiles(directory, {
    // loaded only for a cache whose narinfos lead to other hosts
    elsewhere: async (url, options) => (await import('./http.ts')).openElsewhere(url, context, options),
  });
  return openCache(files, params, mode, context);
}
