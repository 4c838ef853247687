// What a bundle has to bring for a side that has this and that, and what it can be made from there.

import { namesakes } from '../closure/namesakes.ts';
import { pairClosures } from '../closure/pairing.ts';
import { BaseClosure } from '../delta/base-closure.ts';
import type { BaseInfo } from '../delta/base-closure.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import { isBase } from '../store/bundle/bases.ts';
import { topsOf } from './take-inventory.ts';

/** Old closures that are looked at: of each root, where nothing is of its name, and in all. */
const most = { each: 2, tops: 3, all: 16 };

export interface NeededRequest {
  readonly roots: readonly StorePath[];
  /** All that the other side is to have, references first. */
  readonly closure: ReadonlyMap<StorePath, PathInfo>;
  /** What it has. */
  readonly there: BaseClosure;
  /** Infos of those of its paths that are here, too. */
  readonly here: ReadonlyMap<StorePath, PathInfo>;
  /** Paths that are to be fetched from caches. */
  readonly elsewhere?: ReadonlyMap<StorePath, string>;
}

export interface Needed {
  /** What has to be brought. */
  readonly fresh: ReadonlyMap<StorePath, PathInfo>;
  /** For each, paths that both sides have with the same contents, the best first. */
  readonly pairs: ReadonlyMap<StorePath, readonly StorePath[]>;
  /** What has to be there: bases, and what is referred to. */
  readonly needs: BaseClosure;
  /** Paths that the other side has with other contents than here. */
  readonly differing: readonly StorePath[];
  /** Paths whose base is not here, or not with the same contents. */
  readonly withoutBase: readonly StorePath[];
}

export function findNeeded(request: NeededRequest): Needed {
  const { closure, roots, there, here, elsewhere } = request;
  const known = new Map(there.infos.map((info) => [info.path, info]));
  const fresh = new Map([...closure].filter(([path]) => !known.has(path) && !elsewhere?.has(path)));
  const differing = [...closure.values()].flatMap((info) => {
    const base = known.get(info.path);
    return base && !isBase(base, info) ? [info.path] : [];
  });
  const oldRoots = chooseRoots(request);
  const old = closureWithin(there, oldRoots);
  const all = pairClosures({ fresh: closure, freshRoots: roots, old, oldRoots });
  const pairs = new Map<StorePath, readonly StorePath[]>();
  const withoutBase: StorePath[] = [];
  for (const path of fresh.keys()) {
    const bases = all.get(path) ?? [];
    const usable = bases.filter((base) => {
      const info = here.get(base);
      return info !== undefined && isBase(known.get(base)!, info);
    });
    if (usable.length === 0 && bases.length > 0) withoutBase.push(path);
    pairs.set(path, usable);
  }
  const references = [...fresh.values()].flatMap((info) => info.references);
  const needed = [...pairs.values(), references, roots].flat().filter((path) => !fresh.has(path));
  const needs = new BaseClosure([...new Set(needed)].map((path) => known.get(path) ?? closure.get(path)!));
  return { fresh, pairs, needs, differing, withoutBase };
}

/** The newest paths of the names of the roots; where there are none, the newest that nothing refers to. */
function chooseRoots({ roots, there, here }: NeededRequest): StorePath[] {
  const time = (path: StorePath): number => here.get(path)?.registrationTime ?? 0;
  const newest = (paths: readonly StorePath[]): StorePath[] => [...paths].sort((a, b) => time(b) - time(a));
  const groups = [
    ...namesakes(
      there.infos.map(({ path }) => path),
      roots,
    ).values(),
  ];
  const named = groups.flatMap((group) => newest(group).slice(0, most.each));
  if (named.length > 0) return [...new Set(named)].slice(0, most.all);
  const tops = topsOf(there).filter((path) => there.references[there.numberOf(path)]!.length > 0);
  return newest(tops).slice(0, most.tops);
}

/** What is reached from `roots`. */
function closureWithin(there: BaseClosure, roots: readonly StorePath[]): Map<StorePath, BaseInfo> {
  const found = new Map<StorePath, BaseInfo>();
  const open = [...roots];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const number = there.numberOf(path);
    if (number < 0 || found.has(path)) continue;
    const info = there.infos[number]!;
    found.set(path, info);
    open.push(...info.references);
  }
  return found;
}
