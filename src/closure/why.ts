// Why one path needs another: a shortest chain of references.

import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';

/** The paths from `from` to `to`, both included; undefined when `from` does not need `to`. */
export function whyDepends(
  infos: ReadonlyMap<StorePath, PathInfo>,
  from: StorePath,
  to: StorePath,
): StorePath[] | undefined {
  const cameFrom = new Map<StorePath, StorePath | undefined>([[from, undefined]]);
  // a map keeps the order of insertion and may grow while it is walked: the queue of a breadth-first search
  for (const path of cameFrom.keys()) {
    if (path === to) return chain(cameFrom, to);
    for (const reference of infos.get(path)?.references ?? []) {
      if (!cameFrom.has(reference)) cameFrom.set(reference, path);
    }
  }
  return undefined;
}

function chain(cameFrom: ReadonlyMap<StorePath, StorePath | undefined>, to: StorePath): StorePath[] {
  const path: StorePath[] = [];
  for (let at: StorePath | undefined = to; at !== undefined; at = cameFrom.get(at)) path.unshift(at);
  return path;
}
