// Narinfos of a cache, read by hash part. A narinfo about another path is no answer to the question, as in Nix.

import { formatPlace } from '../../errors.ts';
import { maxNarinfoSize, parseNarinfo } from '../../format/narinfo.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { hashPart } from '../../model/store-path.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import type { CacheFiles, FileOptions } from './files.ts';

export function narinfoName(path: StorePath): string {
  return `${hashPart(path)}.narinfo`;
}

/** The narinfo under a hash part, whatever path it is about; undefined when there is none. Throws `format`. */
export async function readNarinfo(
  files: CacheFiles,
  storeDir: StoreDir,
  part: string,
  options: FileOptions = {},
): Promise<PathInfo | undefined> {
  const name = `${part}.narinfo`;
  const bytes = await files.read(name, maxNarinfoSize, options);
  return bytes && parseNarinfo(bytes, storeDir, { source: `${files.url}/${name}` }).info;
}

/** What to warn of when a narinfo names another path than the one it was looked up for. */
export function otherPath(files: CacheFiles, path: StorePath, got: StorePath): string {
  return `asked for ${path}, but the narinfo${formatPlace({ source: `${files.url}/${narinfoName(path)}` })} is of ${got}: taken as missing`;
}
