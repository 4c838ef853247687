// Which closures of a store others may be rebuilt from: those of the newest paths that are of the same package as what is
// going to come; where there are none, the newest paths that nothing refers to, which are whole systems and profiles.

import { namesakes } from '../../closure/namesakes.ts';
import { walkClosure } from '../../closure/walk.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import { isListed } from '../store.ts';
import type { QueryOptions, Store } from '../store.ts';

/** At most so many for each path that is to come, and at most so many in all. */
const most = { each: 2, tops: 3, all: 16 };

/** A closure to rebuild from: everything that is valid of it, references first. */
export interface OfferedClosure {
  readonly root: StorePath;
  readonly infos: ReadonlyMap<StorePath, PathInfo>;
}

/** Closures of `store` that may resemble those of `roots`; none where the store cannot list what it has. */
export async function baseClosures(
  store: Store,
  roots: readonly StorePath[],
  options: QueryOptions = {},
): Promise<OfferedClosure[]> {
  const chosen: OfferedClosure[] = [];
  for (const root of await candidateRoots(store, roots, options)) {
    // part of one that was chosen: that serves as well
    if (chosen.some(({ infos }) => infos.has(root))) continue;
    chosen.push({ root, infos: await closureThere(store, root, options) });
  }
  return chosen;
}

/** The closure of a valid path; a store that is damaged may lack some of it. */
export async function closureThere(
  store: Store,
  root: StorePath,
  options: QueryOptions = {},
): Promise<ReadonlyMap<StorePath, PathInfo>> {
  return (await walkClosure((paths) => store.pathInfos(paths, options), [root])).infos;
}

async function candidateRoots(
  store: Store,
  roots: readonly StorePath[],
  options: QueryOptions,
): Promise<readonly StorePath[]> {
  if (!isListed(store)) return [];
  const all = await store.allPaths(options);
  const groups = [...namesakes(all, roots).values()];
  const infos = await store.pathInfos(new Set(groups.flat()), options);
  const named = groups.flatMap((group) => newest(group, infos).slice(0, most.each));
  if (named.length > 0) return [...new Set(named)].slice(0, most.all);
  return tops(await store.pathInfos(all, options)).slice(0, most.tops);
}

/** Paths that no other refers to, the newest first. */
function tops(infos: ReadonlyMap<StorePath, PathInfo>): StorePath[] {
  const needed = new Set<StorePath>();
  for (const { path, references } of infos.values())
    for (const reference of references) if (reference !== path) needed.add(reference);
  const free = [...infos.keys()].filter((path) => !needed.has(path) && infos.get(path)!.references.length > 0);
  return newest(free, infos);
}

function newest(paths: readonly StorePath[], infos: ReadonlyMap<StorePath, PathInfo>): StorePath[] {
  const time = (path: StorePath): number => infos.get(path)?.registrationTime ?? 0;
  return paths.filter((path) => infos.has(path)).sort((a, b) => time(b) - time(a));
}
