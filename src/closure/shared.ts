// What closures have in common, and what is each one's own: for machines that stand side by side behind one slow line.

import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import { reachable, sumSizes } from './sizes.ts';

/** The closures of some paths under one name, such as all that a machine has. */
export interface Member<Name extends string> {
  readonly name: Name;
  readonly roots: readonly StorePath[];
}

export interface Share<Name extends string = StorePath> {
  /** The roots, or members, whose closures hold exactly these paths. */
  readonly roots: readonly Name[];
  readonly paths: readonly PathInfo[];
  readonly narSize: number;
}

/** The paths of the closures of `roots`, grouped by who has them: those of all first, then of some, then of one. */
export function shareOf(infos: ReadonlyMap<StorePath, PathInfo>, roots: readonly StorePath[]): Share[] {
  return shareOfMembers(
    infos,
    roots.map((root) => ({ name: root, roots: [root] })),
  );
}

/** The same of members; their names differ. */
export function shareOfMembers<Name extends string>(
  infos: ReadonlyMap<StorePath, PathInfo>,
  members: readonly Member<Name>[],
): Share<Name>[] {
  const owners = new Map<StorePath, number[]>();
  for (const [index, { roots }] of members.entries())
    for (const path of reachable(infos, roots)) owners.set(path, [...(owners.get(path) ?? []), index]);
  const groups = Map.groupBy(infos.values(), (info) => (owners.get(info.path) ?? []).join(' '));
  groups.delete('');
  return [...groups.values()]
    .map((paths) => ({ paths, who: owners.get(paths[0]!.path)! }))
    .sort((a, b) => b.who.length - a.who.length || a.who[0]! - b.who[0]!)
    .map(({ paths, who }) => ({
      roots: who.map((index) => members[index]!.name),
      paths,
      narSize: sumSizes(
        infos,
        paths.map((info) => info.path),
      ),
    }));
}
