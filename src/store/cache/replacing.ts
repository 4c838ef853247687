// Writing a NAR anew, since the file of its name may be damaged. Most places replace a file at once. Where one has to go before the
// other gets its name, the narinfos that name it are away meanwhile: they go first, and come back last.

import { maxNarinfoSize } from '../../format/narinfo.ts';
import type { Item } from '../store.ts';
import type { CacheFiles, CommitOptions } from './files.ts';
import { mediaTypes } from './files.ts';
import { narinfoName } from './narinfo-reader.ts';

/** The files that one repair writes anew: paths with equal contents share one, and it is replaced once. */
export class NarReplacer {
  readonly #files: CacheFiles;
  readonly #begun = new Map<string, Promise<void>>();

  constructor(files: CacheFiles) {
    this.#files = files;
  }

  /** Runs `commit`, unless another path has that file written anew: then it is waited for, and the answer is false. */
  async replace(item: Item, reference: string, commit: (options: CommitOptions) => Promise<void>): Promise<boolean> {
    const begun = this.#begun.get(reference);
    if (begun) return begun.then(() => false);
    const replacing = replace(this.#files, item, reference, commit);
    this.#begun.set(reference, replacing);
    try {
      await replacing;
    } catch (error) {
      // the next path that shares it tries with what it has
      this.#begun.delete(reference);
      throw error;
    }
    return true;
  }
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
