// A source with static deltas: what one of them makes out of what the destination has comes from it, all else from the
// source as it is. A delta is no more trusted than any cache: its infos need the signatures that narinfos need, and what
// it makes is hashed by whoever takes it.

import { createHash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inOrder } from '../../closure/walk.ts';
import { NarrowError, ioError, isNarrowError } from '../../errors.ts';
import { spoolDirectory } from '../../fs/state-directory.ts';
import { equalHash, formatHash } from '../../model/hash.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import { printStorePath } from '../../model/store-path.ts';
import { Bundle } from '../bundle/bundle.ts';
import { BundleStore } from '../bundle/bundle-store.ts';
import { borrowed } from '../bundle/open.ts';
import { isWritable } from '../store.ts';
import type { DeltaSource, Meeting, MetDestination, OpenNar, OpenOptions, QueryOptions, Store } from '../store.ts';
import { forward } from '../wrap/forward.ts';
import type { CacheStore } from './cache-store.ts';
import { chooseDelta } from './choose-delta.ts';
import type { ChosenDelta, DeltaChoice } from './choose-delta.ts';
import { deltaReference } from './delta-list.ts';
import type { ListedDelta } from './delta-list.ts';

export interface DeltaSourceOptions {
  readonly warn: (text: string) => void;
}

/** `source` with the deltas of those of its parts that are static caches; without such it is itself. */
export function withStaticDeltas(
  source: Store,
  caches: readonly CacheStore[],
  options: DeltaSourceOptions,
): Store | DeltaSource {
  if (caches.length === 0) return source;
  let used: UsedDelta | undefined;
  const ours: Partial<DeltaSource> = {
    async meetDestination(met) {
      const meeting = await meet(source, caches, met, options);
      used = meeting.used;
      return meeting.told;
    },
    pathInfos: async (paths, asked) => (used ? used.pathInfos(paths, asked) : source.pathInfos(paths, asked)),
    open: (info, how) => (used ? used.open(info, how) : source.open(info, how)),
    tree: (info, how) => (used?.has(info) ? used.store.tree(info, how) : source.tree(info, how)),
    inOrder: (infos) => used?.inOrder(infos) ?? [...infos],
    expect: (infos) => (used ? used.expect(infos) : source.expect?.(infos)),
    async hold(paths) {
      await used?.store.hold();
      return source.hold(paths);
    },
    distrust: (infos) => used?.distrust(infos) ?? [],
    deltaSize: async () => used?.size ?? 0,
    deltaReports: () => used?.store.bundle.rebuilding.reports ?? new Map(),
    async [Symbol.asyncDispose]() {
      await used?.[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
    },
  };
  return forward(source, ours);
}

async function meet(
  source: Store,
  caches: readonly CacheStore[],
  met: MetDestination,
  options: DeltaSourceOptions,
): Promise<{ readonly told: Meeting | undefined; readonly used: UsedDelta | undefined }> {
  let told: Meeting | undefined;
  for (const cache of caches) {
    try {
      const choice = await chooseDelta(cache, met.destination, met.roots, met);
      if (choice.chosen) return await use(source, cache, choice.chosen, met, options);
      if (choice.listed.length > 0) told ??= await unusable(cache, choice, met);
    } catch (error) {
      met.signal?.throwIfAborted();
      if (!isNarrowError(error) || error.code === 'refused') throw error;
      options.warn(`${error.message}; without the deltas of ${cache.url} paths come whole`);
    }
  }
  return { told, used: undefined };
}

async function use(
  source: Store,
  cache: CacheStore,
  chosen: ChosenDelta,
  met: MetDestination,
  options: DeltaSourceOptions,
): Promise<{ readonly told: Meeting; readonly used: UsedDelta }> {
  const { destination, signal } = met;
  const { delta, base, bases } = chosen;
  await using stack = new AsyncDisposableStack();
  const file = await fetchDelta(cache, delta, met, stack);
  const bundle = await Bundle.open([file], { needs: base, bases: [borrowed(() => destination)], signal });
  const store = stack.use(new BundleStore(bundle));
  const doubtful = await refusedThere(bundle, met);
  const used = new UsedDelta({ source, store, doubtful, size: delta.fileSize, stack: stack.move(), options });
  const from = delta.from.map((path) => printStorePath(cache.storeDir, path)).join(', ');
  return { told: { kind: 'static', from, bases, size: delta.fileSize }, used };
}

/** Paths that would be refused as the delta tells of them: the cache may have signed them later. */
async function refusedThere(
  { infos }: Bundle,
  { destination, checkSignatures = true, signal }: MetDestination,
): Promise<Set<StorePath>> {
  if (!isWritable(destination)) return new Set();
  const verdicts = await destination.check(infos, { checkSignatures, signal });
  return new Set(infos.map(({ path }) => path).filter((path) => verdicts.get(path)?.status === 'refused'));
}

/** Why no delta is used. Throws `missing` where there is nothing but deltas. */
async function unusable(cache: CacheStore, { listed }: DeltaChoice, met: MetDestination): Promise<Meeting> {
  const { destination, roots, signal } = met;
  const from = [...new Set(listed.flatMap((delta) => delta.from))].map((path) => printStorePath(cache.storeDir, path));
  const why = `${destination.url} lacks what the deltas of ${cache.url} are from (${from.join(', ')})`;
  if (!cache.deltasOnly) return { kind: 'stock', why };
  const whole = await cache.pathInfos(roots, { signal });
  const absent = roots.filter((path) => !whole.has(path) && listed.some(({ to }) => to.includes(path)));
  if (absent.length === 0) return { kind: 'stock', why };
  throw new NarrowError('refused', `${absent.join(', ')} is at ${cache.url} only as deltas, and ${why}`, {
    hint: `copy one that is there in full first, as the base: narrow copy --from ${cache.url} ${from.at(-1)}`,
    data: { missing: absent, from },
  });
}

/** The file, for as long as the stack lives; as large NARs, a large delta is fetched on from where it was cut off. */
async function fetchDelta(
  cache: CacheStore,
  delta: ListedDelta,
  { onPhase, signal }: MetDestination,
  stack: AsyncDisposableStack,
): Promise<string> {
  const { fileHash, fileSize, to } = delta;
  const url = deltaReference(delta);
  const directory = await mkdtemp(join(spoolDirectory(), 'delta-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const name = join(directory, 'delta');
  const file = { url, hash: fileHash, size: fileSize, compression: 'none' };
  // to a cache it is a file like that of a NAR
  const asNar = { path: to[0]!, narHash: fileHash, narSize: fileSize, references: [], signatures: [], file };
  const hash = createHash('sha256');
  let size = 0;
  await using out = await open(name, 'wx', 0o600);
  try {
    for await (const chunk of (await cache.open(asNar, { signal })).bytes) {
      size += chunk.length;
      if (size > fileSize) break;
      hash.update(chunk);
      await out.writeFile(chunk);
      onPhase?.(`fetching a delta of ${cache.url}, ${Math.floor((100 * size) / fileSize)} %`);
    }
  } catch (cause) {
    throw fetchError(cause, `${cache.url}/${url}`, name);
  }
  const got = { algo: 'sha256', bytes: hash.digest() } as const;
  if (size === fileSize && equalHash(got, fileHash)) return name;
  const contrast = `expected ${fileSize} bytes and ${formatHash(fileHash)}, got ${size} and ${formatHash(got)}`;
  throw new NarrowError('integrity', `the delta ${cache.url}/${url} is damaged: ${contrast}`);
}

/** What a cache says of its NARs, said of a delta. */
function fetchError(cause: unknown, url: string, file: string): unknown {
  if (isNarrowError(cause, 'missing'))
    return new NarrowError('missing', `the delta ${url} is listed, and not there`, { cause });
  if (isNarrowError(cause, 'integrity')) return new NarrowError('integrity', `the delta ${url} is damaged`, { cause });
  const ofDisk = !isNarrowError(cause) && (cause as NodeJS.ErrnoException).syscall !== undefined;
  return ofDisk ? ioError('write', file, cause) : cause;
}

interface UsedDeltaRequest {
  readonly source: Store;
  readonly store: BundleStore;
  readonly doubtful: ReadonlySet<StorePath>;
  readonly size: number;
  readonly stack: AsyncDisposableStack;
  readonly options: DeltaSourceOptions;
}

/** A delta that was fetched, beside the source. */
class UsedDelta implements AsyncDisposable {
  readonly store: BundleStore;
  readonly size: number;
  readonly #source: Store;
  readonly #doubtful: ReadonlySet<StorePath>;
  readonly #warn: (text: string) => void;
  readonly #stack: AsyncDisposableStack;
  /** What came out of their bases was wrong. */
  readonly #distrusted = new Set<StorePath>();
  #warned = false;

  constructor({ source, store, doubtful, size, stack, options }: UsedDeltaRequest) {
    this.#source = source;
    this.store = store;
    this.#doubtful = doubtful;
    this.size = size;
    this.#stack = stack;
    this.#warn = options.warn;
  }

  /** Of what it makes, what it needs that is there as it should be, and of the source. */
  async pathInfos(paths: Iterable<StorePath>, options?: QueryOptions): Promise<Map<StorePath, PathInfo>> {
    const { bundle } = this.store;
    const found = new Map<StorePath, PathInfo>();
    const needed: StorePath[] = [];
    const others: StorePath[] = [];
    for (const path of paths) {
      const number = bundle.numbers.get(path);
      if (number !== undefined && !this.#doubtful.has(path)) found.set(path, bundle.infos[number]!);
      else if (bundle.needs.numberOf(path) >= 0) needed.push(path);
      else others.push(path);
    }
    await bundle.bases.find(needed.map((path) => bundle.needs.infos[bundle.needs.numberOf(path)]!));
    for (const path of needed) {
      const info = bundle.bases.known.get(path);
      if (info) found.set(path, info);
      else others.push(path);
    }
    if (others.length > 0)
      for (const [path, info] of await this.#source.pathInfos(others, options)) found.set(path, info);
    return found;
  }

  /** Whether it makes just this. */
  has({ path, narHash }: PathInfo): boolean {
    const info = this.store.bundle.infos[this.store.bundle.numbers.get(path) ?? -1];
    return info !== undefined && equalHash(info.narHash, narHash);
  }

  /** That of the delta, as far as it tells the truth of references. */
  inOrder(infos: Iterable<PathInfo>): readonly PathInfo[] {
    const ordered = this.store.inOrder(infos);
    if (this.#doubtful.size === 0) return ordered;
    return [...inOrder(new Map(ordered.map((info) => [info.path, info]))).values()];
  }

  expect(infos: readonly PathInfo[]): void {
    const made = (info: PathInfo): boolean => this.has(info) && !this.#distrusted.has(info.path);
    this.store.expect(infos.filter(made));
    this.#source.expect?.(infos.filter((info) => !made(info)));
  }

  distrust(infos: readonly PathInfo[]): PathInfo[] {
    const made = infos.filter((info) => this.has(info) && !this.#distrusted.has(info.path));
    for (const { path } of made) this.#distrusted.add(path);
    return made;
  }

  async open(info: PathInfo, options?: OpenOptions): Promise<OpenNar> {
    if (!this.has(info) || this.#distrusted.has(info.path)) return this.#whole(info, options);
    return { encoding: 'none', size: info.narSize, hash: info.narHash, bytes: this.#made(info, options?.signal) };
  }

  /** What cannot be made at all is fetched at once; what fails later is opened again by whoever finds it wrong. */
  async *#made(info: PathInfo, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    let begun = false;
    try {
      for await (const chunk of (await this.store.open(info, { signal })).bytes) {
        begun = true;
        yield chunk;
      }
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (begun || !isNarrowError(error)) throw error;
      if (!this.#warned) this.#warn(`${error.message}; ${info.path} is fetched whole, and others like it`);
      this.#warned = true;
    }
    yield* (await this.#whole(info, { signal })).bytes;
  }

  async #whole(info: PathInfo, options: OpenOptions | undefined): Promise<OpenNar> {
    const own = info.file ? info : (await this.#source.pathInfos([info.path], options)).get(info.path);
    if (own && equalHash(own.narHash, info.narHash)) return this.#source.open(own, options);
    const why = own ? 'has other contents under that path' : 'has it only as a delta';
    throw new NarrowError('missing', `${info.path} could not be rebuilt, and ${this.#source.url} ${why}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
