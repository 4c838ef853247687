// The order in which new paths are best told: that of their bases, as far as references allow.

import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import { inOrder } from './walk.ts';

/**
 * The infos with references before referrers, otherwise by the number of their bases, those without one (below 0) first. A
 * closure that was only rebuilt comes in the order of the old one, so that nothing has to be said about which base is whose.
 */
export function inOrderOfBases(
  infos: Iterable<PathInfo>,
  baseOf: (path: StorePath) => number,
): Map<StorePath, PathInfo> {
  const numbered = [...infos].map((info) => ({ info, base: baseOf(info.path) }));
  numbered.sort((a, b) => a.base - b.base || (a.info.path < b.info.path ? -1 : 1));
  return inOrder(new Map(numbered.map(({ info }) => [info.path, info])));
}
