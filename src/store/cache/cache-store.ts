// A binary cache, wherever its files are: narinfos, NARs, listings, realisations (the static layout that stock Nix reads).
// Nothing is trusted here: NARs go out as they are, and are checked by whoever takes them in.

import { availableParallelism } from 'node:os';
import { NarrowError, formatError } from '../../errors.ts';
import { canDecode, decode } from '../../format/compression.ts';
import { formatListing, parseListing } from '../../format/nar/listing-json.ts';
import { listingTree } from '../../format/nar/listing-tree.ts';
import type { FileTree } from '../../format/nar/tree.ts';
import { formatNarinfo } from '../../format/narinfo.ts';
import { equalHash, formatHash } from '../../model/hash.ts';
import type { Hash } from '../../model/hash.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { sortedUnique } from '../../model/path-info.ts';
import type { Realisation } from '../../model/realisation.ts';
import { signPathInfo } from '../../model/signature.ts';
import { hashPart, isHashPart } from '../../model/store-path.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import type {
  Abilities,
  AddOptions,
  Item,
  OpenNar,
  OpenOptions,
  Outcome,
  QueryOptions,
  Verdict,
  WritableStore,
} from '../store.ts';
import { addAll } from './adding.ts';
import type { AddSteps } from './adding.ts';
import { verdictOnKnown } from '../verdict.ts';
import type { InspectOptions, StoreFacts } from '../facts.ts';
import type { Claim } from './claim.ts';
import { writeDebugIndex } from './debug-info.ts';
import { fewNames } from './few-names.ts';
import type { CacheFiles, PreparedFile } from './files.ts';
import { mediaTypes } from './files.ts';
import { takeLease } from './leases.ts';
import { narinfoName, otherPath, readNarinfo } from './narinfo-reader.ts';
import { writeNar } from './nar-writer.ts';
import type { WrittenNar } from './nar-writer.ts';
import type { CacheParams } from './params.ts';
import { guessFrom } from './path-guess.ts';
import { readSegments, saveSegment } from './path-segments.ts';
import type { Segments } from './path-segments.ts';
import { readRealisations, writeRealisations } from './realisations.ts';
import { NarReplacer } from './replacing.ts';
import { Slots, forEachAtOnce } from './slots.ts';
import { SpooledTrees } from './spooled-trees.ts';

const maxListing = 256 * 1024 * 1024;
/** Fewer paths of a cache far away are asked for one by one. */
const manyPaths = 256;

export interface CacheStoreOptions {
  readonly files: CacheFiles;
  readonly params: CacheParams;
  readonly storeDir: StoreDir;
  readonly priority: number;
  /** Its newest paths may be there as deltas alone. */
  readonly deltasOnly: boolean;
  readonly warn: (text: string) => void;
  /** Makes the cache where it does not exist yet; called before the first write. */
  readonly create: () => Promise<void>;
  /** It is there, and to be written: what is held is leased, so that nobody collects it. */
  readonly leasing: boolean;
  /** It is not there yet. */
  readonly fresh: boolean;
}

/** Milliseconds for which what was looked at and missing counts as missing: a second question costs as much as a small path. */
const absentFor = 60_000;

/** A path whose NAR is there. */
interface WrittenPath extends WrittenNar {
  /** Brought there already, where the place can. */
  readonly narinfo: PreparedFile | undefined;
}

export class CacheStore implements WritableStore {
  readonly url: string;
  readonly storeDir: StoreDir;
  readonly abilities: Abilities;
  /** What it is made of, for who keeps the cache itself. */
  readonly files: CacheFiles;
  readonly params: CacheParams;
  readonly deltasOnly: boolean;
  readonly #files: CacheFiles;
  readonly #params: CacheParams;
  readonly #warn: (text: string) => void;
  readonly #create: () => Promise<void>;
  readonly #leasing: boolean;
  readonly #fresh: boolean;
  readonly #leases = new Set<Claim>();
  readonly #trees = new SpooledTrees();
  #created: Promise<void> | undefined;
  /** When paths were looked at that were missing, where a look costs a round trip. */
  readonly #absent = new Map<StorePath, number>();
  /** What others have noted of a cache far away, once many paths were asked for. */
  #segments: Segments | undefined;

  constructor({ files, params, storeDir, priority, deltasOnly, warn, create, leasing, fresh }: CacheStoreOptions) {
    this.url = files.url;
    this.files = files;
    this.params = params;
    this.deltasOnly = deltasOnly;
    this.#leasing = leasing;
    this.#fresh = fresh;
    this.storeDir = storeDir;
    this.abilities = { ranges: true, encodings: true, trusted: false, signs: params.secretKeys.length > 0, priority };
    this.#files = files;
    this.#params = params;
    this.#warn = warn;
    this.#create = create;
  }

  async pathInfos(paths: Iterable<StorePath>, options: QueryOptions = {}): Promise<Map<StorePath, PathInfo>> {
    const wanted = [...new Set(paths)];
    const found = new Map<StorePath, PathInfo>();
    await forEachAtOnce(wanted, this.#files.concurrency, async (path) => {
      options.signal?.throwIfAborted();
      const info = await readNarinfo(this.#files, this.storeDir, hashPart(path), options);
      if (info?.path === path) found.set(path, info);
      else if (info) this.#warn(otherPath(this.#files, path, info.path));
    });
    return new Map(wanted.flatMap((path) => (found.has(path) ? [[path, found.get(path)!]] : [])));
  }

  async pathByHashPart(part: string, options: QueryOptions = {}): Promise<StorePath | undefined> {
    if (!isHashPart(part)) throw new NarrowError('usage', `'${part}' is no hash part of a store path`);
    const info = await readNarinfo(this.#files, this.storeDir, part, options);
    if (info === undefined || hashPart(info.path) === part) return info?.path;
    this.#warn(`${this.url}/${part}.narinfo is of ${info.path}: taken as missing`);
    return undefined;
  }

  expect(infos: readonly PathInfo[]): void {
    this.#files.expect?.(infos.flatMap(({ file }) => (file ? { reference: file.url, size: file.size } : [])));
  }

  async open(info: PathInfo, { encodings = [], offset = 0, signal }: OpenOptions = {}): Promise<OpenNar> {
    const file = (info.file ? info : await this.#infoOf(info.path, signal)).file!;
    const asStored = file.compression === 'none' || encodings.includes(file.compression);
    if (!asStored && !canDecode(file.compression)) {
      throw new NarrowError(
        'unsupported',
        `${info.path} is compressed with '${file.compression}', which is not known here`,
      );
    }
    if (!asStored && offset > 0)
      throw new NarrowError('unsupported', `${this.url} cannot decode ${file.url} from the middle`);
    const opened = await this.#files.open(file.url, { offset, signal });
    if (!opened) throw this.#gone(info, file.url);
    if (file.size && opened.size !== undefined && opened.size !== file.size)
      throw this.#wrongSize(info, file.size, opened.size);
    const source = `${this.url}/${file.url}`;
    if (asStored) {
      const { bytes, local } = opened;
      return { encoding: file.compression, size: file.size || opened.size, hash: file.hash, bytes, local };
    }
    return { encoding: 'none', size: info.narSize, bytes: decode(file.compression, opened.bytes, { signal, source }) };
  }

  async tree(info: PathInfo, options: QueryOptions = {}): Promise<FileTree> {
    const known = info.file ? info : await this.#infoOf(info.path, options.signal);
    const listing = known.file!.compression === 'none' ? await this.#listing(known, options) : undefined;
    if (!listing) return this.#trees.spool({ info: known, open: (o) => this.open(known, o) }, options.signal);
    const reference = known.file!.url;
    return listingTree(listing, (offset, length) => this.#range(known, reference, offset, length));
  }

  /** See facts.ts. What is compressed takes less room than its NAR. */
  async inspect(options: InspectOptions = {}): Promise<StoreFacts> {
    const { space, ...facts } = (await this.#files.inspect?.(options)) ?? {};
    const exact = space?.exact === true && this.#params.compression === 'none';
    return { kind: 'binary cache', ...facts, space: space && { ...space, exact } };
  }

  async hold(paths: Iterable<StorePath>): Promise<AsyncDisposable> {
    const lease = this.#leasing ? await takeLease(this.#files, paths, { warn: this.#warn }) : undefined;
    if (lease) this.#leases.add(lease);
    return {
      [Symbol.asyncDispose]: async () => {
        if (lease && this.#leases.delete(lease)) await lease[Symbol.asyncDispose]();
      },
    };
  }

  /** Makes it where it does not exist yet. */
  create(): Promise<void> {
    return (this.#created ??= this.#create());
  }

  realisations(paths: readonly PathInfo[], options: QueryOptions = {}): Promise<Realisation[]> {
    return readRealisations(this.#files, paths, this.#warn, options);
  }

  async check(infos: readonly PathInfo[], options: AddOptions = {}): Promise<Map<StorePath, Verdict>> {
    const verdicts = new Map<StorePath, Verdict>();
    const look = await this.#expected(infos, verdicts, options);
    await this.#lookAt(look, verdicts, options);
    return new Map(infos.map(({ path }) => [path, verdicts.get(path)!]));
  }

  async #lookAt(infos: readonly PathInfo[], verdicts: Map<StorePath, Verdict>, options: QueryOptions): Promise<void> {
    await forEachAtOnce(infos, this.#files.concurrency, async (info) => {
      options.signal?.throwIfAborted();
      const verdict = await this.#verdict(info, options);
      verdicts.set(info.path, verdict);
      if (verdict.status === 'missing') this.#noteAbsent(info.path);
      if (verdict.status === 'valid' && verdict.newSignatures.length === 0) this.#segments?.hints.note(info, []);
    });
  }

  /** What can be told of many without a question for each; returns the rest. */
  async #expected(
    infos: readonly PathInfo[],
    verdicts: Map<StorePath, Verdict>,
    options: QueryOptions,
  ): Promise<readonly PathInfo[]> {
    if (this.#files.readNow || infos.length < manyPaths) return infos;
    const listing = this.#fresh ? fewNames(this.#files, options) : undefined;
    const [segments, names] = await Promise.all([readSegments(this.#files, this.storeDir, options), listing]);
    this.#segments = segments;
    if (names) return this.#without(names, infos, verdicts);
    const guess = guessFrom(segments.hints, infos);
    if (!guess) return infos;
    const sure = new Map<StorePath, Verdict>();
    await this.#lookAt([...guess.top, ...guess.bottom], sure, options);
    const right =
      guess.top.every(({ path }) => sure.get(path)!.status === 'valid') &&
      guess.bottom.every(({ path }) => sure.get(path)!.status === 'missing');
    if (!right) return infos;
    for (const { path } of guess.there) verdicts.set(path, { status: 'valid', newSignatures: [] });
    for (const { path } of guess.absent) verdicts.set(path, { status: 'missing' });
    for (const [path, verdict] of sure) verdicts.set(path, verdict);
    return guess.unclear;
  }

  /** Those of which there is a narinfo; the others are missing. */
  #without(
    names: ReadonlySet<string>,
    infos: readonly PathInfo[],
    verdicts: Map<StorePath, Verdict>,
  ): readonly PathInfo[] {
    return infos.filter(({ path }) => {
      if (names.has(narinfoName(path))) return true;
      verdicts.set(path, { status: 'missing' });
      this.#noteAbsent(path);
      return false;
    });
  }

  async *add(items: AsyncIterable<Item>, options: AddOptions = {}): AsyncGenerator<Outcome, void, undefined> {
    await this.create();
    const stop = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
    yield* addAll(items, this.#steps({ ...options, signal }), {
      ordered: this.#files.ordered === true,
      writers: this.#files.writers ?? Math.max(8, 2 * availableParallelism()),
      askers: this.#files.concurrency,
      stop,
    });
    if (this.#segments) await saveSegment(this.#files, this.#segments, options);
  }

  async addSignatures(path: StorePath, narHash: Hash, signatures: readonly string[]): Promise<void> {
    const info = await this.#infoOf(path);
    if (!equalHash(info.narHash, narHash)) {
      const contrast = `expected ${formatHash(narHash)}, got ${formatHash(info.narHash)}`;
      throw new NarrowError('differs', `${path} in ${this.url} has other contents: ${contrast}`, { data: { path } });
    }
    const merged = sortedUnique([...info.signatures, ...signatures]);
    if (merged.length > info.signatures.length) await this.#writeNarinfo({ ...info, signatures: merged }, {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const lease of this.#leases) await lease[Symbol.asyncDispose]();
    this.#leases.clear();
    await this.#trees[Symbol.asyncDispose]();
    await this.#files[Symbol.asyncDispose]();
  }

  #steps(options: AddOptions & { readonly signal: AbortSignal }): AddSteps<WrittenPath> {
    const { signal, onBytes, repair } = options;
    const replacer = repair === true ? new NarReplacer(this.#files) : undefined;
    const cores = availableParallelism();
    const threads = this.#params.parallel ? cores : 1;
    // xz keeps a core and 94 MB for each stream; of zstd one more than cores hides the waiting, and yet more fight for cache
    const xz = new Slots(this.#params.parallel ? 1 : cores);
    const others = new Slots(cores + 1);
    const encoders = (encoding: string): Slots => (encoding === 'xz' ? xz : others);
    return {
      begin: (item) => this.#begin(item, options),
      write: async (item) => {
        const report = onBytes && ((bytes: number) => onBytes(item.info.path, bytes));
        const params = this.#params;
        const written = await writeNar(this.#files, item, {
          params,
          threads,
          encoders,
          signal,
          onBytes: report,
          replacer,
        });
        await this.#writeListing(item, written, { signal });
        return { ...written, narinfo: this.#prepareNarinfo(newInfo(item, written), { signal }) };
      },
      ready: async ({ narinfo }) => narinfo?.ready,
      has: async (path) =>
        options.elsewhere?.has(path) === true || (await this.#files.stat(narinfoName(path), { signal })) !== undefined,
      finish: (item, written) => this.#finish(item, written, signal),
      withdraw: (item) => this.#files.remove(narinfoName(item.info.path)),
    };
  }

  async #begin(item: Item, options: AddOptions): Promise<{ readonly status: 'valid' | 'missing' }> {
    options.signal?.throwIfAborted();
    const known = options.repair === true || this.#wasAbsent(item.info.path);
    const verdict = known ? { status: 'missing' as const } : await this.#verdict(item.info, options);
    if (verdict.status === 'missing') return { status: 'missing' };
    if (verdict.status !== 'valid')
      throw new NarrowError(verdict.status, `${item.info.path} in ${this.url}: ${verdict.why}`);
    await writeRealisations(this.#files, item.realisations ?? [], options);
    return { status: 'valid' };
  }

  #noteAbsent(path: StorePath): void {
    if (!this.#files.readNow) this.#absent.set(path, Date.now());
  }

  /** A moment ago, and asked for the first time since. */
  #wasAbsent(path: StorePath): boolean {
    const age = Date.now() - (this.#absent.get(path) ?? -Infinity);
    return this.#absent.delete(path) && age >= 0 && age < absentFor;
  }

  async #finish(item: Item, written: WrittenPath, signal: AbortSignal): Promise<number> {
    this.#expectLeases();
    const options = { signal };
    const { bytes, narinfo } = written;
    await (narinfo ? narinfo.commit() : this.#writeNarinfo(newInfo(item, written), options));
    await writeRealisations(this.#files, item.realisations ?? [], options);
    const own = this.#params.secretKeys.map((key) => key.name);
    this.#segments?.hints.note(item.info, own);
    return bytes;
  }

  /** What goes with a NAR; before the narinfo, which says that all is there. */
  async #writeListing({ info }: Item, { file, listing }: WrittenNar, options: QueryOptions): Promise<void> {
    if (listing && this.#params.writeListing) {
      const name = `${hashPart(info.path)}.ls`;
      await this.#files.write(name, formatListing(listing), mediaTypes.json, options);
    }
    if (listing && this.#params.indexDebugInfo) await writeDebugIndex(this.#files, listing, file.url, options);
  }

  #expectLeases(): void {
    if (!this.#leases.values().some((lease) => lease.lost)) return;
    const what = `this process stood still for so long that ${this.url} may have been collected meanwhile`;
    throw new NarrowError('unavailable', what, { hint: 'run the same command again; what is done already is kept' });
  }

  async #writeNarinfo(info: PathInfo, options: QueryOptions): Promise<void> {
    await this.#files.write(narinfoName(info.path), this.#narinfo(info), mediaTypes.narinfo, options);
  }

  #prepareNarinfo(info: PathInfo, options: QueryOptions): PreparedFile | undefined {
    return this.#files.prepare?.(narinfoName(info.path), this.#narinfo(info), mediaTypes.narinfo, options);
  }

  #narinfo(info: PathInfo): Buffer {
    return Buffer.from(formatNarinfo(signPathInfo(this.storeDir, info, this.#params.secretKeys), this.storeDir));
  }

  async #verdict(info: PathInfo, options: QueryOptions): Promise<Verdict> {
    const there = await readNarinfo(this.#files, this.storeDir, hashPart(info.path), options).catch(
      (error: unknown) => {
        if (error instanceof NarrowError && error.code === 'format') return error;
        throw error;
      },
    );
    if (there instanceof NarrowError) return { status: 'refused', why: there.message, hint: 'remove that narinfo' };
    if (!there) return { status: 'missing' };
    const verdict = verdictOnKnown(there, info);
    return verdict.status === 'valid' && (await this.#lacksNar(there)) ? { status: 'missing' } : verdict;
  }

  /** A narinfo whose NAR is gone or cut short (a power cut, a hand that deletes) is written again. Only where looking is cheap. */
  async #lacksNar({ file }: PathInfo): Promise<boolean> {
    if (!this.#files.near || !file) return false;
    const there = await this.#files.stat(file.url);
    return (
      !there || (there.size !== undefined && file.size !== undefined && file.size !== 0 && there.size !== file.size)
    );
  }

  async #infoOf(path: StorePath, signal?: AbortSignal): Promise<PathInfo> {
    const info = (await this.pathInfos([path], { signal })).get(path);
    if (info) return info;
    throw new NarrowError('missing', `${path} is not in ${this.url}`, { data: { path } });
  }

  async #listing(info: PathInfo, options: QueryOptions): Promise<ReturnType<typeof parseListing> | undefined> {
    const name = `${hashPart(info.path)}.ls`;
    const bytes = await this.#files.read(name, maxListing, options);
    return bytes && parseListing(bytes, `${this.url}/${name}`);
  }

  async *#range(info: PathInfo, reference: string, offset: number, length: number): AsyncGenerator<Uint8Array> {
    const opened = await this.#files.open(reference, { offset, length });
    if (!opened) throw this.#gone(info, reference);
    let seen = 0;
    for await (const chunk of opened.bytes) {
      seen += chunk.length;
      yield chunk;
    }
    if (seen === length) return;
    throw formatError(
      `the NAR of ${info.path} is shorter than its listing says`,
      { source: `${this.url}/${reference}`, offset: offset + seen },
      { expected: `${length} bytes from ${offset} on`, got: `${seen}` },
    );
  }

  #gone(info: PathInfo, reference: string): NarrowError {
    return new NarrowError('missing', `${this.url} has the narinfo of ${info.path}, but not its NAR ${reference}`, {
      hint: 'take this path from another source, or have the cache repaired',
      data: { path: info.path, url: reference },
    });
  }

  #wrongSize(info: PathInfo, expected: number, got: number): NarrowError {
    return new NarrowError(
      'integrity',
      `the NAR file of ${info.path} in ${this.url} is not what its narinfo says: expected ${expected} bytes, got ${got}`,
      { hint: 'it is damaged; take this path from another source', data: { path: info.path, expected, got } },
    );
  }
}

/** What the narinfo of a written path says, but for the cache's own signatures. */
function newInfo({ info }: Item, { file }: WrittenNar): PathInfo {
  const { ultimate, registrationTime, ...rest } = info;
  return { ...rest, file };
}
