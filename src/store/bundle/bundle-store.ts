// A bundle as a store. What it does not bring is told and read from other stores, where its deltas have their bases.

import { NarrowError } from '../../errors.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { memoryTree, MemorySink } from '../../format/nar/memory-tree.ts';
import type { FileTree } from '../../format/nar/tree.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { Realisation } from '../../model/realisation.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { hashPart } from '../../model/store-path.ts';
import { takeNar } from '../intake.ts';
import type { DecodedPaths } from '../narrow/decoded-paths.ts';
import type { Abilities, ListedStore, OpenNar, OpenOptions, QueryOptions } from '../store.ts';
import type { Bundle } from './bundle.ts';
import type { PlacedSegment } from './body.ts';
import { narOfText } from './derivations.ts';

/** A segment that is read for all that is expected of it. */
interface Reading {
  readonly decoded: DecodedPaths;
  /** Paths that were not taken yet. */
  left: number;
}

export class BundleStore implements ListedStore {
  readonly url: string;
  readonly storeDir: StoreDir;
  readonly abilities: Abilities = { ranges: false, encodings: false, trusted: false, makes: true, priority: 0 };
  readonly bundle: Bundle;
  #expected: ReadonlySet<number> = new Set();
  readonly #opened = new Set<number>();
  readonly #readings = new Map<PlacedSegment, Promise<Reading>>();
  /** Paths that are being taken out of readings; each settles when that is over. */
  readonly #taking = new Set<Promise<void>>();
  readonly #stack = new AsyncDisposableStack();

  /** The bundle is closed with the store. */
  constructor(bundle: Bundle) {
    this.bundle = bundle;
    this.url = `bundle:${bundle.volumes.volumes[0]!.file}`;
    this.storeDir = bundle.about.storeDir;
  }

  async pathInfos(paths: Iterable<StorePath>, options?: QueryOptions): Promise<Map<StorePath, PathInfo>> {
    const { numbers, infos, bases } = this.bundle;
    const found = new Map<StorePath, PathInfo>();
    const others: StorePath[] = [];
    for (const path of paths) {
      const number = numbers.get(path);
      if (number === undefined) others.push(path);
      else found.set(path, infos[number]!);
    }
    if (others.length > 0) for (const [path, info] of await bases.pathInfos(others, options)) found.set(path, info);
    return found;
  }

  async pathByHashPart(part: string, options?: QueryOptions): Promise<StorePath | undefined> {
    const own = this.bundle.infos.find(({ path }) => hashPart(path) === part)?.path;
    return own ?? this.bundle.bases.pathByHashPart(part, options);
  }

  /** Those that the bundle brings. */
  async allPaths(): Promise<readonly StorePath[]> {
    return this.bundle.infos.map(({ path }) => path).sort();
  }

  /** The order in which they lie in the bundle: then nothing has to be put aside. What is not in it comes first. */
  inOrder(infos: Iterable<PathInfo>): PathInfo[] {
    const place = ({ path }: PathInfo): number => this.bundle.numbers.get(path) ?? -1;
    return [...infos].sort((a, b) => place(a) - place(b));
  }

  expect(infos: readonly PathInfo[]): void {
    const numbers = infos.flatMap(({ path }) => this.bundle.numbers.get(path) ?? []);
    this.#expected = new Set(numbers.filter((number) => number < this.bundle.deltaCount));
    this.#opened.clear();
    this.#readings.clear();
  }

  /** What is expected comes out of one reading of its segment; anything else is looked for from the segment's start. */
  async open(info: PathInfo, options: OpenOptions = {}): Promise<OpenNar> {
    const { numbers, bases } = this.bundle;
    const number = numbers.get(info.path);
    if (number === undefined) return bases.open(info, options);
    if (number >= this.bundle.deltaCount)
      return { encoding: 'none', size: info.narSize, bytes: narOfText(this.bundle.textOf(number)) };
    await this.#expectBases(number);
    const bytes = this.#expected.has(number) && !this.#opened.has(number) ? this.#shared(number) : this.#alone(number);
    this.#opened.add(number);
    return { encoding: 'none', size: info.narSize, hash: info.narHash, bytes };
  }

  async tree(info: PathInfo, options: QueryOptions = {}): Promise<FileTree> {
    if (!this.bundle.numbers.has(info.path)) return this.bundle.bases.tree(info, options);
    const visitor = new MemorySink();
    await takeNar({ info, open: (how) => this.open(info, how) }, { visitor, signal: options.signal });
    return memoryTree(visitor.root!);
  }

  /** Bases are kept where they are, until the store is closed. */
  async hold(): Promise<AsyncDisposable> {
    await this.bundle.bases.hold(this.bundle.needs.infos.map(({ path }) => path));
    return { async [Symbol.asyncDispose]() {} };
  }

  async realisations(paths: readonly PathInfo[]): Promise<Realisation[]> {
    const wanted = new Set(paths.map(({ path }) => path));
    return this.bundle.realisations.filter(({ outPath }) => wanted.has(outPath));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
    await this.bundle[Symbol.asyncDispose]();
  }

  /** Throws `missing` when a base of the path is nowhere. */
  async #expectBases(number: number): Promise<void> {
    const { bases, needs, infos } = this.bundle;
    const wanted = this.bundle.basesOf(number).map((path) => needs.infos[needs.numberOf(path)]!);
    const [absent] = await bases.find(wanted);
    if (!absent) return;
    const { path, here } = absent;
    const where = await bases.names();
    const why = here ? `${where} has other contents under that path` : `${where} does not have it`;
    throw new NarrowError('missing', `${infos[number]!.path} is a change of ${path}, and ${why}`, {
      hint: 'name a store that has it (bundle:FILE?base=URL), or have the bundle made for what is there (narrow inventory)',
      data: { path: infos[number]!.path, base: path },
    });
  }

  async *#shared(number: number): AsyncGenerator<Uint8Array, void, undefined> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const reading = this.#readingOf(this.#segmentOf(number));
    this.#taking.add(promise);
    try {
      const { decoded } = await reading;
      yield* decoded.take(number);
    } finally {
      // also where leaving fails: another would wait for ever
      await this.#leave(reading).finally(resolve);
      this.#taking.delete(promise);
    }
  }

  #readingOf(segment: PlacedSegment): Promise<Reading> {
    let reading = this.#readings.get(segment);
    if (!reading) this.#readings.set(segment, (reading = this.#begin(segment)));
    return reading;
  }

  /** Windows are large: one that is about to be given up is waited for. */
  async #begin(segment: PlacedSegment): Promise<Reading> {
    await Promise.all(this.#taking);
    const wanted = this.#numbersIn(segment).filter((one) => this.#expected.has(one));
    return { decoded: await this.#read(segment, new Set(wanted)), left: wanted.length };
  }

  /** Its window and its temporary files go with the last path. */
  async #leave(reading: Promise<Reading>): Promise<void> {
    const one = await reading.catch(() => undefined);
    if (one && --one.left === 0) await one.decoded[Symbol.asyncDispose]();
  }

  async *#alone(number: number): AsyncGenerator<Uint8Array, void, undefined> {
    await using decoded = await this.#read(this.#segmentOf(number), new Set([number]), false);
    yield* decoded.take(number);
  }

  async #read(segment: PlacedSegment, wanted: ReadonlySet<number>, keep = true): Promise<DecodedPaths> {
    const { needs, bases, volumes, rebuilding } = this.bundle;
    const numbers = this.#numbersIn(segment);
    const all = new Set(numbers.filter((one) => wanted.has(one)).flatMap((one) => this.bundle.basesOf(one)));
    const absent = new Set(
      (await bases.find([...all].map((path) => needs.infos[needs.numberOf(path)]!))).map(({ path }) => path),
    );
    const withoutBases = numbers.filter(
      (one) => !wanted.has(one) || this.bundle.basesOf(one).some((path) => absent.has(path)),
    );
    const delta: ByteSource = volumes.range(segment.offset, segment.size);
    const decoded = rebuilding.decode(numbers, new Set(withoutBases), delta, (one) => wanted.has(one));
    return keep ? this.#stack.use(decoded) : decoded;
  }

  #numbersIn({ first, paths }: PlacedSegment): number[] {
    return Array.from({ length: paths }, (_, i) => first + i);
  }

  #segmentOf(number: number): PlacedSegment {
    return this.bundle.segments.find(({ first, paths }) => number < first + paths)!;
  }
}
