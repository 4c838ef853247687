// What a file brings and what it needs, whether narrow wrote it or others did.

import type { BaseInfo } from '../delta/base-closure.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import type { Bundle } from '../store/bundle/bundle.ts';
import type { Carried } from '../store/bundle/carried-store.ts';
import type { Store } from '../store/store.ts';
import { fetchable } from './fetchable.ts';
import type { Fetchable } from './fetchable.ts';

export interface Brought {
  readonly storeDir: StoreDir;
  readonly infos: readonly PathInfo[];
  /** Paths that have to be there. */
  readonly needs: readonly StorePath[];
  /** Those of them that `path` is made from. */
  basesOf(path: StorePath): readonly StorePath[];
  /** The contents that a base has to have. */
  base(path: StorePath): Pick<BaseInfo, 'narHash'>;
  /** Needed paths that caches have, with their URLs. */
  readonly substitutable: ReadonlyMap<StorePath, string>;
  /** Asks those caches for what `store` does not have. */
  fetchable(store: Store, signal?: AbortSignal): Promise<Fetchable>;
}

export function broughtBy(bundle: Bundle): Brought {
  const { about, infos, needs, numbers, substitutable } = bundle;
  return {
    storeDir: about.storeDir,
    infos,
    needs: needs.infos.map(({ path }) => path),
    basesOf: (path) => bundle.basesOf(numbers.get(path)!),
    base: (path) => needs.infos[needs.numberOf(path)]!,
    substitutable,
    fetchable: (store, signal) => fetchable(bundle, store, signal),
  };
}

/** All of it comes in full, and no cache is named. */
export function broughtByCarried({ store, infos }: Pick<Carried, 'store' | 'infos'>): Brought {
  return {
    storeDir: store.storeDir,
    infos: [...infos.values()],
    needs: neededByInfos(infos),
    basesOf: () => [],
    base: (path) => {
      throw new TypeError(`${path} is no base`);
    },
    substitutable: new Map(),
    fetchable: async () => ({ infos: new Map(), failed: new Map() }),
  };
}

/** Paths that are referred to and not among `infos`. */
export function neededByInfos(infos: ReadonlyMap<StorePath, PathInfo>): StorePath[] {
  const named = [...infos.values()].flatMap(({ references }) => references);
  return [...new Set(named)].filter((path) => !infos.has(path)).sort();
}
