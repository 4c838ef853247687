// Where a bundle's deltas find their bases, and a closure what the bundle does not bring: stores that are opened when they
// are first needed.

import type { BaseInfo } from '../../delta/base-closure.ts';
import { isNarrowError } from '../../errors.ts';
import type { FileTree } from '../../format/nar/tree.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import type { NearbyStore } from '../narrow/nearby-trees.ts';
import type { OpenNar, OpenOptions, QueryOptions, Store } from '../store.ts';

/** A store, which is closed with the bundle; undefined or an error of ours where there is none. */
export type StoreOpener = () => Promise<Store | undefined>;

/** Asked when no other store has a path, and never for bases. */
export interface CacheOpener {
  readonly url: string;
  readonly open: () => Promise<Store>;
}

export interface BasesOptions {
  readonly caches?: readonly CacheOpener[];
  readonly signal?: AbortSignal | undefined;
}

export class Bases implements NearbyStore, AsyncDisposable {
  readonly #openers: readonly StoreOpener[];
  readonly #storeDir: StoreDir;
  readonly #signal: AbortSignal | undefined;
  #opened: Promise<readonly Store[]> | undefined;
  #nearby = false;
  readonly #origin = new Map<StorePath, Store>();
  readonly #stack = new AsyncDisposableStack();
  #held: Promise<void> | undefined;
  readonly #caches: readonly CacheOpener[];
  #openedCaches: Promise<readonly Store[]> | undefined;
  /** Why caches did not answer, by URL. */
  readonly failures: Map<string, Error> = new Map();
  /** Bases that were found, with the contents that are needed. */
  readonly known: Map<StorePath, PathInfo> = new Map();

  constructor(openers: readonly StoreOpener[], storeDir: StoreDir, { caches = [], signal }: BasesOptions = {}) {
    this.#openers = openers;
    this.#storeDir = storeDir;
    this.#signal = signal;
    this.#caches = caches;
  }

  get abilities(): { readonly nearby: boolean } {
    return { nearby: this.#nearby };
  }

  /** The names of the stores, for messages. */
  async names(): Promise<string> {
    const stores = await this.#stores();
    return stores.length === 0 ? 'any store' : stores.map(({ url }) => url).join(' and ');
  }

  /** Infos of those of `paths` that are in one of the stores, or in a cache that answers. */
  async pathInfos(paths: Iterable<StorePath>, options: QueryOptions = {}): Promise<Map<StorePath, PathInfo>> {
    const found = new Map<StorePath, PathInfo>();
    const wanted = new Set(paths);
    const ask = async (store: Store): Promise<void> => {
      const rest = [...wanted].filter((path) => !found.has(path));
      if (rest.length === 0) return;
      for (const [path, info] of await store.pathInfos(rest, options)) {
        found.set(path, info);
        if (!this.known.has(path)) this.#origin.set(path, store);
      }
    };
    for (const store of await this.#stores()) await ask(store);
    if (found.size === wanted.size) return found;
    for (const cache of await this.#cacheStores())
      await ask(cache).catch((error: unknown) => this.#fail(cache.url, error));
    return found;
  }

  async pathByHashPart(part: string, options?: QueryOptions): Promise<StorePath | undefined> {
    for (const store of await this.#stores()) {
      const path = await store.pathByHashPart(part, options);
      if (path !== undefined) return path;
    }
    return undefined;
  }

  /** Finds bases with the contents that are needed. Returns those that are in no store, `here` when with other contents. */
  async find(bases: readonly BaseInfo[]): Promise<{ readonly path: StorePath; readonly here: boolean }[]> {
    let wanted = bases.filter(({ path }) => !this.known.has(path));
    const elsewise = new Set<StorePath>();
    for (const store of await this.#stores()) {
      if (wanted.length === 0) break;
      const infos = await store.pathInfos(
        wanted.map(({ path }) => path),
        { signal: this.#signal },
      );
      for (const base of wanted) {
        const info = infos.get(base.path);
        if (!info) continue;
        if (!isBase(base, info)) elsewise.add(base.path);
        else this.#learn(base.path, info, store);
      }
      wanted = wanted.filter(({ path }) => !this.known.has(path));
    }
    return wanted.map(({ path }) => ({ path, here: elsewise.has(path) }));
  }

  /** Keeps paths from being collected until this is disposed. */
  hold(paths: readonly StorePath[]): Promise<void> {
    return (this.#held ??= this.#hold(paths));
  }

  open(info: PathInfo, options?: OpenOptions): Promise<OpenNar> {
    return this.#origin.get(info.path)!.open(info, options);
  }

  tree(info: PathInfo, options?: QueryOptions): Promise<FileTree> {
    return this.#origin.get(info.path)!.tree(info, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #hold(paths: readonly StorePath[]): Promise<void> {
    for (const store of await this.#stores()) this.#stack.use(await store.hold(paths));
  }

  #learn(path: StorePath, info: PathInfo, store: Store): void {
    this.known.set(path, info);
    this.#origin.set(path, store);
  }

  #fail(url: string, error: unknown): void {
    if (!isNarrowError(error) || error.code === 'aborted') throw error;
    this.failures.set(url, error);
  }

  #cacheStores(): Promise<readonly Store[]> {
    return (this.#openedCaches ??= (async () => {
      const stores: Store[] = [];
      for (const { url, open } of this.#caches) {
        const store = await open().catch((error: unknown) => this.#fail(url, error));
        if (!store) continue;
        this.#stack.use(store);
        if (store.storeDir === this.#storeDir) stores.push(store);
      }
      return stores;
    })());
  }

  #stores(): Promise<readonly Store[]> {
    return (this.#opened ??= this.#open());
  }

  async #open(): Promise<readonly Store[]> {
    const stores: Store[] = [];
    for (const opener of this.#openers) {
      const store = await opener().catch((error: unknown) => {
        if (isNarrowError(error)) return undefined;
        throw error;
      });
      if (!store) continue;
      this.#stack.use(store);
      if (store.storeDir === this.#storeDir && stores.every(({ url }) => url !== store.url)) stores.push(store);
    }
    this.#nearby = stores.every(({ abilities }) => abilities.nearby === true);
    return stores;
  }
}

/** Whether a path that is there is the base that is meant. */
export function isBase(base: Pick<BaseInfo, 'narHash'>, info: PathInfo): boolean {
  return Buffer.from(base.narHash).equals(info.narHash.bytes.subarray(0, base.narHash.length));
}
