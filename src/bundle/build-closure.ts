// What a build needs that nothing is to be fetched for: derivations, and those of their outputs that are here.

import { closureOf } from '../closure/walk.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import type { Store } from '../store/store.ts';
import { withOutputs } from '../transfer/derivation-closure.ts';

/**
 * `drvs`, and what else the closure of the derivations and of their outputs hangs on: the roots of a bundle. `hold` keeps
 * outputs from being collected.
 */
export async function buildClosureRoots(
  source: Store,
  drvs: readonly StorePath[],
  hold: (paths: readonly StorePath[]) => Promise<void>,
  signal?: AbortSignal,
): Promise<StorePath[]> {
  await hold(drvs);
  const query = (paths: readonly StorePath[]): Promise<Map<StorePath, PathInfo>> => source.pathInfos(paths, { signal });
  const all = await withOutputs(source, await closureOf(query, drvs, source.url), hold, { signal });
  const referred = new Set(
    [...all.values()].flatMap(({ path, references }) => references.filter((one) => one !== path)),
  );
  return [...drvs, ...[...all.keys()].filter((path) => !referred.has(path) && !drvs.includes(path))];
}
