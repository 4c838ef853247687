// How to ask a store for a closure: at once where it can answer so, else level by level.

import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import type { QueryOptions, Store } from './store.ts';

/**
 * A question for one walk through a closure (`walkClosure`, `closureOf`). A store that knows closures is asked once, for the first level,
 * and that answer is given again for the others.
 */
export function closureQuery(
  store: Store,
  options?: QueryOptions,
): (paths: readonly StorePath[]) => Promise<Map<StorePath, PathInfo>> {
  let whole: Promise<Map<StorePath, PathInfo>> | undefined;
  return (paths) => (whole ??= store.closureInfos?.(paths, options)) ?? store.pathInfos(paths, options);
}
