// Which old hash part became which new one, for a base and what is made from it: the map of a translation. References of the
// pair are aligned first, with the path's own hash; all other pairs fill in, because content also holds hashes that are no
// references (archives, references that were discarded). Both sides compute it from the infos that were sent and must get
// the same: everything goes by the order of the pairs.

import type { StorePath } from '../model/store-path.ts';
import { hashPart, pathName } from '../model/store-path.ts';
import { splitVersion } from '../model/version.ts';
import type { HashPartMap } from './translate.ts';

export interface AlignedPath {
  readonly path: StorePath;
  readonly references: readonly StorePath[];
  readonly deriver?: StorePath | undefined;
}

/** A path to be made and one of its bases; of a base only path and references are looked at. */
export interface AlignedPair {
  readonly fresh: AlignedPath;
  readonly base: Pick<AlignedPath, 'path' | 'references'>;
}

/** Maps of their own that are remembered: each is as large as the closure. */
const mapsKept = 16;

export class HashAlignment {
  /** What each base became, in the order of the pairs. */
  readonly #partners = new Map<StorePath, AlignedPath[]>();
  /** What is right where a pair's own references do not say otherwise. */
  readonly #shared: HashPartMap;
  /** By derivation: bases that became several paths, one of them an output of it. */
  readonly #siblings = new Map<StorePath, (readonly [StorePath, StorePath])[]>();
  /** The latest maps that differ from the shared one. */
  readonly #maps = new Map<string, HashPartMap>();

  /** `pairs`: each fresh path with its first base, in the order in which the paths are sent. */
  constructor(pairs: Iterable<AlignedPair>) {
    const kept = new Set<StorePath>();
    for (const { fresh, base } of pairs) {
      for (const reference of fresh.references) kept.add(reference);
      if (base.path !== fresh.path) append(this.#partners, base.path, fresh);
    }
    const shared = new Map<string, string>();
    for (const [base, partners] of this.#partners) {
      const namesake = partners.find(({ path }) => pathName(path) === pathName(base));
      // a base that is still in use stands for itself, unless it was rebuilt under its name
      const partner = namesake ?? (kept.has(base) ? undefined : partners[0]);
      if (partner) shared.set(hashPart(base), hashPart(partner.path));
      if (partners.length === 1) continue;
      for (const { path, deriver } of partners)
        if (deriver !== undefined) append(this.#siblings, deriver, [base, path] as const);
    }
    this.#shared = shared;
  }

  /** The map for a path and one of its bases, not only the first. Most have the same map, which then is one object. */
  mapFor({ fresh, base }: AlignedPair): HashPartMap {
    const own = new Map<string, string>();
    const set = (from: StorePath, to: StorePath): void => void own.set(hashPart(from), hashPart(to));
    for (const [old, sibling] of (fresh.deriver && this.#siblings.get(fresh.deriver)) ?? []) set(old, sibling);
    for (const reference of fresh.references) set(reference, reference);
    for (const [from, to] of this.#alignReferences(fresh, base)) set(from, to);
    set(base.path, fresh.path);
    return this.#mapWith(own);
  }

  /** References of the base with what stands for them in the fresh path; those that both have are left out. */
  #alignReferences(fresh: AlignedPath, base: AlignedPair['base']): Map<StorePath, StorePath> {
    const inBase = new Set(base.references);
    const free = new Set(fresh.references.filter((path) => path !== fresh.path && !inBase.has(path)));
    const inFresh = new Set(fresh.references);
    const left = base.references.filter((path) => path !== base.path && !inFresh.has(path));
    const aligned = new Map<StorePath, StorePath>();
    const align = (choose: (old: StorePath) => StorePath | undefined): void => {
      for (const old of left) {
        const partner = aligned.has(old) ? undefined : choose(old);
        if (partner === undefined) continue;
        aligned.set(old, partner);
        free.delete(partner);
      }
    };
    const among = (old: StorePath): StorePath[] =>
      (this.#partners.get(old) ?? []).map(({ path }) => path).filter((path) => free.has(path));
    align((old) => among(old).find((path) => pathName(path) === pathName(old)));
    align((old) => among(old)[0]);
    for (const reading of [pathName, packageName]) {
      const byName = firstBy(free, reading);
      align((old) => freeOf(byName.get(reading(old)), free));
    }
    return aligned;
  }

  #mapWith(own: ReadonlyMap<string, string>): HashPartMap {
    const changes = [...own].filter(([from, to]) => (this.#shared.get(from) ?? from) !== to).sort(byKey);
    if (changes.length === 0) return this.#shared;
    const key = changes.flat().join();
    const known = this.#maps.get(key);
    if (known) return known;
    const map = new Map(this.#shared);
    for (const [from, to] of changes) {
      if (from === to) map.delete(from);
      else map.set(from, to);
    }
    if (this.#maps.size === mapsKept) this.#maps.delete(this.#maps.keys().next().value!);
    this.#maps.set(key, map);
    return map;
  }
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

const byKey = ([a]: readonly [string, string], [b]: readonly [string, string]): number => (a < b ? -1 : 1);

const packageName = (path: StorePath): string => splitVersion(pathName(path)).name;

function firstBy(paths: Iterable<StorePath>, reading: (path: StorePath) => string): Map<string, StorePath> {
  const found = new Map<string, StorePath>();
  for (const path of paths) if (!found.has(reading(path))) found.set(reading(path), path);
  return found;
}

function freeOf(path: StorePath | undefined, free: ReadonlySet<StorePath>): StorePath | undefined {
  return path !== undefined && free.has(path) ? path : undefined;
}
