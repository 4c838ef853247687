// `debuginfo/<build id>.debug`: for each separate debug file of a NAR, which archive has it. Debuggers look there.

import { byteStringOf } from '../../bytes/byte-string.ts';
import { listedAt } from '../../format/nar/listing.ts';
import type { Listing } from '../../format/nar/listing.ts';
import type { CacheFiles, FileOptions } from './files.ts';
import { mediaTypes } from './files.ts';

const directory = ['lib', 'debug', '.build-id'].map(byteStringOf);

/** Build id (40 hexadecimal digits) and member of each file `lib/debug/.build-id/ab/<38 digits>.debug`. */
export function debugFiles(root: Listing): { readonly buildId: string; readonly member: string }[] {
  const ids = listedAt(root, directory);
  if (ids?.type !== 'directory') return [];
  return [...ids.entries].flatMap(([first, node]) => {
    if (node.type !== 'directory' || !/^[0-9a-f]{2}$/.test(first)) return [];
    return [...node.entries].flatMap(([name, file]) => {
      if (file.type !== 'regular' || !/^[0-9a-f]{38}\.debug$/.test(name)) return [];
      return [{ buildId: `${first}${name.slice(0, 38)}`, member: `${directory.join('/')}/${first}/${name}` }];
    });
  });
}

/** Writes the index entries that are not there yet. `url` is that of the NAR, relative to the cache's root. */
export async function writeDebugIndex(
  files: CacheFiles,
  root: Listing,
  url: string,
  options: FileOptions,
): Promise<void> {
  for (const { buildId, member } of debugFiles(root)) {
    const reference = `debuginfo/${buildId}.debug`;
    if (await files.stat(reference, options)) continue;
    const json = JSON.stringify({ archive: `../${url}`, member });
    await files.write(reference, Buffer.from(json), mediaTypes.json, options);
  }
}
