// Build logs in a cache, `log/DERIVATION`, as `nix store copy-log` and `nix log` know them: found by the derivation, or by a path whose
// narinfo names that as its deriver. When neither is there any more, nobody finds the log.

import { isNarrowError } from '../errors.ts';
import { hashPart, isDerivationPath, tryBaseName } from '../model/store-path.ts';
import type { StorePath } from '../model/store-path.ts';
import type { FileOptions, ListedCacheFile } from '../store/cache/files.ts';
import { readNarinfo } from '../store/cache/narinfo-reader.ts';
import { forEachAtOnce } from '../store/cache/slots.ts';
import type { Inventory, Place } from './inventory.ts';

/** Logs of derivations of which nothing stays. `goes`: by row, 1 for what goes. */
export async function uselessLogs(
  place: Place,
  { rows, rowOf, others, damaged }: Inventory,
  goes: Uint8Array | undefined,
  options: FileOptions = {},
): Promise<ListedCacheFile[]> {
  const stays = (row: number | undefined): boolean => row !== undefined && goes?.[row] !== 1;
  const logs = new Map<StorePath, ListedCacheFile>();
  for (const file of others) {
    const drv = derivationOf(file);
    if (drv !== undefined && !stays(rowOf.get(hashPart(drv)))) logs.set(drv, file);
  }
  // what cannot be read may be of any derivation
  if (logs.size === 0 || damaged.length > 0) return [];
  const names = new Set(Array.from(logs.keys(), outputName));
  const paths = rows.filter((_, row) => stays(row)).map(({ path }) => path);
  const candidates = paths.filter((path) => outputNames(path).some((name) => names.has(name)));
  for (const drv of await deriversOf(place, candidates, options)) logs.delete(drv);
  return [...logs.values()];
}

function derivationOf({ reference }: ListedCacheFile): StorePath | undefined {
  const name = /^log\/([^/]+\.drv)$/.exec(reference)?.[1];
  const drv = name === undefined ? undefined : tryBaseName(decodeURIComponent(name));
  return drv !== undefined && isDerivationPath(drv) ? drv : undefined;
}

/** What its output `out` is called: others have their own name behind that, and a dash. */
function outputName(drv: StorePath): string {
  return drv.slice(33, -'.drv'.length);
}

/** What the derivation of a path can be called: so not every narinfo has to be read. */
function outputNames(path: StorePath): string[] {
  const name = path.slice(33);
  const names = [name];
  for (let dash = name.lastIndexOf('-'); dash > 0; dash = name.lastIndexOf('-', dash - 1))
    names.push(name.slice(0, dash));
  return names;
}

async function deriversOf(
  { files, storeDir }: Place,
  paths: readonly StorePath[],
  options: FileOptions,
): Promise<Set<StorePath>> {
  const derivers = new Set<StorePath>();
  await forEachAtOnce(paths, files.concurrency, async (path) => {
    options.signal?.throwIfAborted();
    try {
      const deriver = (await readNarinfo(files, storeDir, hashPart(path), options))?.deriver;
      if (deriver !== undefined) derivers.add(deriver);
    } catch (error) {
      // it was read just before: somebody is writing there, and the next run will see
      if (!isNarrowError(error, 'format')) throw error;
    }
  });
  return derivers;
}
