// Writing a NAR anew, since the file of its name may be damaged. Most places replace a file at once. Where one has to go before the
// other gets its name, the narinfos that name it are away meanwhile: they go first, and come back last.

import { isNarrowError } from '../../errors.ts';
import { maxNarinfoSize } from '../../format/narinfo.ts';
import type { StorePath } from '../../model/store-path.ts';
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
  const away = new Map<StorePath, Buffer>();
  let removed = false;
  const makeWay = async (): Promise<void> => {
    for (const path of [...sharers, info.path]) {
      const bytes = await readable(files, path);
      if (bytes) away.set(path, bytes);
      await files.remove(narinfoName(path));
    }
    await files.remove(reference);
    removed = true;
  };
  try {
    await commit({ makeWay });
  } catch (error) {
    // without the file they stay away: no narinfo is there without its NAR
    if (!removed) await putBack(files, away).catch(() => {});
    throw error;
  }
  // its own is written anew with what is stored now
  away.delete(info.path);
  await putBack(files, away);
}

/** Undefined also for one that is too large: it is damaged, and not put back. */
async function readable(files: CacheFiles, path: StorePath): Promise<Buffer | undefined> {
  try {
    return await files.read(narinfoName(path), maxNarinfoSize);
  } catch (error) {
    if (isNarrowError(error, 'format')) return undefined;
    throw error;
  }
}

async function putBack(files: CacheFiles, narinfos: ReadonlyMap<StorePath, Buffer>): Promise<void> {
  for (const [path, bytes] of narinfos) await files.write(narinfoName(path), bytes, mediaTypes.narinfo);
}
