// Writing a NAR anew, since the file of its name may be damaged. Most places replace a file at once. Where one has to go before the
// other gets its name, the narinfos that name it are away meanwhile: they go first, and come back last.

import { maxNarinfoSize } from '../../format/narinfo.ts';
import type { Item } from '../store.ts';
import type { CacheFiles, CommitOptions } from './files.ts';
import { mediaTypes } from './files.ts';
import { narinfoName } from './narinfo-reader.ts';

/** By place, the files that this process writes anew: paths with equal contents share one, and it is replaced once. */
const renewed = new WeakMap<CacheFiles, Map<string, Promise<void>>>();

/** Runs `commit`, unless another path has that file written anew: then it is waited for, and the answer is false. */
export async function replaceNar(
  files: CacheFiles,
  item: Item,
  reference: string,
  commit: (options: CommitOptions) => Promise<void>,
): Promise<boolean> {
  const known = renewed.get(files) ?? new Map<string, Promise<void>>();
  renewed.set(files, known);
  const begun = known.get(reference);
  if (begun) await begun;
  else {
    const replacing = replace(files, item, reference, commit);
    known.set(reference, replacing);
    await replacing;
  }
  return begun === undefined;
}

async function replace(
  files: CacheFiles,
  { info, sharers = [] }: Item,
  reference: string,
  commit: (options: CommitOptions) => Promise<void>,
): Promise<void> {
  const away = new Map<string, Buffer>();
  const makeWay = async (): Promise<void> => {
    for (const path of sharers) {
      const narinfo = narinfoName(path);
      const bytes = await files.read(narinfo, maxNarinfoSize);
      if (bytes) away.set(narinfo, bytes);
      await files.remove(narinfo);
    }
    await files.remove(narinfoName(info.path));
    await files.remove(reference);
  };
  await commit({ makeWay });
  for (const [narinfo, bytes] of away) await files.write(narinfo, bytes, mediaTypes.narinfo);
}
