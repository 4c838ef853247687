// Several sources as one: each path comes from the first that has it. When that one fails to open it, the next that has
// the same bytes (by NAR hash) takes its place; never one that has others under the same name.

import { NarrowError, isNarrowError } from '../../errors.ts';
import type { FileTree } from '../../format/nar/tree.ts';
import { equalHash } from '../../model/hash.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { Realisation } from '../../model/realisation.ts';
import { realisationId } from '../../model/realisation.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { OpenNar, OpenOptions, QueryOptions, Store } from '../store.ts';

/** One store is itself; of several the first is asked first. Throws `refused` when their store directories differ. */
export function fallback(stores: readonly Store[], warn: (text: string) => void): Store {
  const [first] = stores;
  if (!first) throw new NarrowError('usage', 'no source was given');
  const other = stores.find((store) => store.storeDir !== first.storeDir);
  if (!other) return stores.length === 1 ? first : new FallbackStore(stores, warn);
  throw new NarrowError('refused', `${first.url} holds paths of ${first.storeDir}, ${other.url} of ${other.storeDir}`, {
    hint: 'sources of one copy share their store directory',
  });
}

class FallbackStore implements Store {
  readonly url: string;
  readonly storeDir: string;
  readonly abilities: Store['abilities'];
  readonly #stores: readonly Store[];
  readonly #warn: (text: string) => void;
  /** Who told of a path. */
  readonly #origin = new Map<StorePath, Store>();
  /** Sources that did not answer: not asked again. */
  readonly #silent = new Set<Store>();

  constructor(stores: readonly Store[], warn: (text: string) => void) {
    this.url = stores.map((store) => store.url).join(' or ');
    this.storeDir = stores[0]!.storeDir;
    const all = (ability: 'ranges' | 'trusted'): boolean => stores.every((store) => store.abilities[ability]);
    const priority = Math.min(...stores.map((store) => store.abilities.priority));
    this.abilities = { ranges: all('ranges'), encodings: true, trusted: all('trusted'), priority };
    this.#stores = stores;
    this.#warn = warn;
  }

  async pathInfos(paths: Iterable<StorePath>, options?: QueryOptions): Promise<Map<StorePath, PathInfo>> {
    const wanted = [...new Set(paths)];
    const found = new Map<StorePath, PathInfo>();
    await this.#askEach(async (store) => {
      const rest = wanted.filter((path) => !found.has(path));
      if (rest.length === 0) return;
      for (const [path, info] of await store.pathInfos(rest, options)) {
        found.set(path, info);
        this.#origin.set(path, store);
      }
    });
    return found;
  }

  async pathByHashPart(hashPart: string, options?: QueryOptions): Promise<StorePath | undefined> {
    let found: StorePath | undefined;
    await this.#askEach(async (store) => {
      found ??= await store.pathByHashPart(hashPart, options);
    });
    return found;
  }

  open(info: PathInfo, options?: OpenOptions): Promise<OpenNar> {
    return this.#fromFirst(info, options, (store, own) => store.open(own, options));
  }

  tree(info: PathInfo, options?: QueryOptions): Promise<FileTree> {
    return this.#fromFirst(info, options, (store, own) => store.tree(own, options));
  }

  async hold(paths: Iterable<StorePath>): Promise<AsyncDisposable> {
    const all = [...paths];
    await using stack = new AsyncDisposableStack();
    for (const store of this.#stores) stack.use(await store.hold(all));
    return stack.move();
  }

  async realisations(paths: readonly PathInfo[], options?: QueryOptions): Promise<Realisation[]> {
    const found = new Map<string, Realisation>();
    await this.#askEach(async (store) => {
      for (const one of await store.realisations(paths, options))
        if (!found.has(realisationId(one))) found.set(realisationId(one), one);
    });
    return [...found.values()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using stack = new AsyncDisposableStack();
    for (const store of this.#stores) stack.use(store);
  }

  /** Asks every source in turn. One that is out of reach is told once; an error only when it is all of them. */
  async #askEach(ask: (store: Store) => Promise<void>): Promise<void> {
    for (const store of this.#stores) {
      if (this.#silent.has(store)) continue;
      try {
        await ask(store);
      } catch (error) {
        if (!isNarrowError(error, 'unavailable') || this.#silent.size === this.#stores.length - 1) throw error;
        this.#silent.add(store);
        this.#warn(`${error.message}; going on without ${store.url}`);
      }
    }
  }

  async #fromFirst<T>(
    info: PathInfo,
    options: QueryOptions | undefined,
    take: (store: Store, own: PathInfo) => Promise<T>,
  ): Promise<T> {
    const origin = this.#origin.get(info.path);
    const order = origin ? [origin, ...this.#stores.filter((store) => store !== origin)] : this.#stores;
    let failure: unknown;
    for (const store of order) {
      try {
        const own = store === origin ? info : (await store.pathInfos([info.path], options)).get(info.path);
        if (own && equalHash(own.narHash, info.narHash)) return await take(store, own);
      } catch (error) {
        options?.signal?.throwIfAborted();
        if (failure === undefined && store !== order.at(-1))
          this.#warn(`${info.path}: ${String(error instanceof Error ? error.message : error)}; trying the next source`);
        failure ??= error;
      }
    }
    throw failure ?? new NarrowError('missing', `${this.url} does not have ${info.path}`);
  }
}
