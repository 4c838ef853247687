// The deltas of a cache as a listing finds them, and what becomes of them when paths go: a delta stays as long as both of
// its ends do.

import { NarrowError } from '../../errors.ts';
import { encodeHash } from '../../model/hash.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { CacheStore } from '../../store/cache/cache-store.ts';
import { basesReference, deltaReference, deltasDirectory, parseDeltaList } from '../../store/cache/delta-list.ts';
import type { ListedDelta } from '../../store/cache/delta-list.ts';
import type { FileOptions, ListedCacheFile } from '../../store/cache/files.ts';

/** What leads to one path. */
export interface DeltaList {
  readonly reference: string;
  readonly deltas: readonly ListedDelta[];
}

export interface FoundDeltas {
  readonly lists: readonly DeltaList[];
  /** Lists that cannot be read. */
  readonly damaged: readonly { readonly reference: string; readonly message: string }[];
  /** Everything else: deltas and lists of bases, by reference. */
  readonly files: ReadonlyMap<string, ListedCacheFile>;
  /** Bytes of all. */
  readonly size: number;
}

/** What a collection does to them. */
export interface DeltaFate {
  /** Lists that lose entries, with those that stay. */
  readonly changed: readonly DeltaList[];
  /** Files that nothing names any more. */
  readonly gone: readonly ListedCacheFile[];
}

const maxList = 1 << 20;
const prefix = `${deltasDirectory}/`;

/** `others`: what a cache has beside narinfos and NARs. */
export async function findDeltas(
  { files, storeDir }: Pick<CacheStore, 'files' | 'storeDir'>,
  others: readonly ListedCacheFile[],
  options: FileOptions,
): Promise<FoundDeltas> {
  const lists: DeltaList[] = [];
  const damaged: { reference: string; message: string }[] = [];
  const rest = new Map<string, ListedCacheFile>();
  let size = 0;
  for (const file of others) {
    const { reference } = file;
    if (!reference.startsWith(prefix) || reference.includes('.tmp.')) continue;
    size += file.size;
    if (/\.(delta|bases)$/.test(reference)) {
      rest.set(reference, file);
      continue;
    }
    try {
      const bytes = await files.read(reference, maxList, options);
      if (bytes) lists.push({ reference, deltas: parseDeltaList(storeDir, bytes, `${files.url}/${reference}`) });
    } catch (error) {
      if (!(error instanceof NarrowError) || error.code !== 'format') throw error;
      damaged.push({ reference, message: error.message });
    }
  }
  return { lists, damaged, files: rest, size };
}

/** Each delta once: it stands in the lists of all paths that it leads to. */
export function allDeltas({ lists }: FoundDeltas): ListedDelta[] {
  const deltas = lists.flatMap((list) => list.deltas);
  return [...new Map(deltas.map((delta) => [encodeHash(delta.fileHash, 'base32'), delta])).values()];
}

/** Those of a cache whose files can be listed. */
export async function listedDeltas(
  store: Pick<CacheStore, 'files' | 'storeDir'>,
  options: FileOptions,
): Promise<ListedDelta[]> {
  const lists: ListedCacheFile[] = [];
  for await (const reference of store.files.list(deltasDirectory, options) ?? [])
    lists.push({ reference, size: 0, modified: 0, version: '' });
  return allDeltas(await findDeltas(store, lists, options));
}

/** What the deltas that lead to these are from. */
export function originsOf(found: FoundDeltas, paths: ReadonlySet<StorePath>): StorePath[] {
  return allDeltas(found)
    .filter(({ to }) => to.some((path) => paths.has(path)))
    .flatMap(({ from }) => from);
}

/**
 * `stays` tells of an end. What was written after `before`, by the place's clock, is not removed: whoever laid it may be about
 * to list it. A list that cannot be read may name anything.
 */
export function fateOf(found: FoundDeltas, stays: (path: StorePath) => boolean, before: number): DeltaFate {
  const changed = found.lists.flatMap(({ reference, deltas }) => {
    const left = deltas.filter(({ to, from }) => [...to, ...from].every(stays));
    return left.length === deltas.length && left.length > 0 ? [] : [{ reference, deltas: left }];
  });
  const after = new Map(found.lists.map(({ reference, deltas }) => [reference, deltas]));
  for (const { reference, deltas } of changed) after.set(reference, deltas);
  const named = new Set(
    [...after.values()].flat().flatMap((delta) => [deltaReference(delta), basesReference(delta.base)]),
  );
  const unnamed = [...found.files.values()].filter(({ reference }) => !named.has(reference));
  const once = new Set(found.lists.flatMap((list) => list.deltas.map(deltaReference)));
  const goes = ({ reference, modified }: ListedCacheFile): boolean => once.has(reference) || modified <= before;
  return { changed, gone: found.damaged.length > 0 ? [] : unnamed.filter(goes) };
}

/** What is wrong with them, a line for each. */
export function deltaProblems(found: FoundDeltas): { readonly reference: string; readonly message: string }[] {
  const problems = [...found.damaged];
  for (const { reference, deltas } of found.lists) {
    for (const delta of deltas) {
      const name = deltaReference(delta);
      const file = found.files.get(name);
      if (!file) problems.push({ reference, message: `its delta ${name} is not there` });
      else if (file.size !== delta.fileSize)
        problems.push({ reference, message: `its delta ${name} has ${file.size} bytes, not ${delta.fileSize}` });
    }
  }
  return problems;
}
