// What closures have in common, and what is each one's own: for machines that stand side by side behind one slow line.

import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import { reachable, sumSizes } from './sizes.ts';

export interface Share {
  /** The roots whose closures hold exactly these paths. */
  readonly roots: readonly StorePath[];
  readonly paths: readonly PathInfo[];
  readonly narSize: number;
}

/** The paths of the closures of `roots`, grouped by who has them: those of all first, then of some, then of one. */
export function shareOf(infos: ReadonlyMap<StorePath, PathInfo>, roots: readonly StorePath[]): Share[] {
  const owners = new Map<StorePath, StorePath[]>();
  for (const root of roots) {
    for (const path of reachable(infos, [root])) owners.set(path, [...(owners.get(path) ?? []), root]);
  }
  const groups = Map.groupBy(infos.values(), (info) => (owners.get(info.path) ?? []).join(' '));
  groups.delete('');
  return [...groups.values()]
    .map((paths) => ({
      roots: owners.get(paths[0]!.path)!,
      paths,
      narSize: sumSizes(
        infos,
        paths.map((info) => info.path),
      ),
    }))
    .sort((a, b) => b.roots.length - a.roots.length || roots.indexOf(a.roots[0]!) - roots.indexOf(b.roots[0]!));
}
