// The sender's half of a copy by deltas: pairs what is to come with what the other side has, and packs infos and contents.

import { formatError } from '../../errors.ts';
import { inOrderOfBases } from '../../closure/pairing-order.ts';
import { pairClosures } from '../../closure/pairing.ts';
import type { BaseClosure, BaseInfo } from '../../delta/base-closure.ts';
import { ColumnWriter } from '../../delta/columns.ts';
import type { BaseDigests } from '../../delta/digests.ts';
import { decodeDigests } from '../../delta/digests.ts';
import { PathInfoWriter, infoColumns } from '../../delta/path-infos.ts';
import type { DeltaBase, DeltaItem, PathReport } from '../../delta/stream.ts';
import { encodeDelta } from '../../delta/stream.ts';
import { translated } from '../../delta/translated-tree.ts';
import { giveBackMemory } from '../../fs/libc.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Store } from '../store.ts';
import { FreshPaths } from './books.ts';
import type { FreshPath } from './books.ts';
import { NearbyTrees } from './nearby-trees.ts';
import { Pace } from './pace.ts';
import type { PaceLevel } from './pace.ts';
import { packColumns } from './packed-columns.ts';

export interface PackingRequest {
  readonly source: Store;
  readonly roots: readonly StorePath[];
  /** All that the destination is to have, references first. */
  readonly closure: ReadonlyMap<StorePath, PathInfo>;
  /** What the other side can rebuild from, and the roots of that. */
  readonly base: BaseClosure;
  readonly baseRoots: readonly StorePath[];
  /** Bases of each path, where they are known already: all of them are in the base closure. */
  readonly pairs?: ReadonlyMap<StorePath, readonly StorePath[]> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface InfoOptions {
  /** Paths whose signatures prove them to the receiver: they need no NAR hash. */
  readonly signed?: (info: PathInfo) => boolean;
  /** The receiver has to know everything beforehand. */
  readonly complete?: boolean;
}

export interface DeltaOptions {
  /** Numbers of paths that go without bases. */
  readonly whole?: ReadonlySet<number>;
  /** What the receiver can pack compressed files with. */
  readonly tools?: ReadonlySet<string>;
  readonly level?: PaceLevel | undefined;
  /** Called in order, when a path's bytes have been given out. */
  readonly onPath?: ((path: StorePath, report: PathReport) => void) | undefined;
}

interface Packed extends FreshPath {
  readonly info: PathInfo;
}

export class Packing {
  /** Paths that the receiver has to rebuild from. */
  readonly baseCount: number;
  /** What is to come: every path of the closure that the base closure does not have as it is. */
  readonly fresh: FreshPaths<Packed>;
  readonly #request: PackingRequest;
  /** Bases that can be read here. */
  readonly #here = new Map<StorePath, PathInfo>();
  /** By number of a path: the receiver's own account of its bases, which are not here. */
  readonly #digests = new Map<number, readonly BaseDigests[]>();

  constructor(request: PackingRequest) {
    giveBackMemory();
    const { closure, roots, base, baseRoots } = request;
    this.#request = request;
    this.baseCount = base.infos.length;
    const old = new Map(base.infos.map((info) => [info.path, info]));
    const pairs = request.pairs ?? pairClosures({ fresh: closure, freshRoots: roots, old, oldRoots: baseRoots });
    const basesOf = (path: StorePath): number[] =>
      (pairs.get(path) ?? []).filter((name) => name !== path).map((name) => base.numberOf(name));
    const infos = [...closure.values()].filter((info) => !sameContents(old.get(info.path), info));
    const list = [...inOrderOfBases(infos, (path) => basesOf(path)[0] ?? -1).values()];
    this.fresh = new FreshPaths(
      list.map((info): Packed => {
        const { path, references, deriver } = info;
        return { path, references, deriver, info, bases: basesOf(path) };
      }),
      base,
    );
  }

  /** The infos of all fresh paths. */
  async infos(options: InfoOptions): Promise<Uint8Array> {
    const { source, base } = this.#request;
    const out = new ColumnWriter(infoColumns);
    const writer = new PathInfoWriter(base, { storeDir: source.storeDir, ...options });
    for (const fresh of this.fresh.list) {
      writer.write(
        fresh.info,
        this.fresh.bases(fresh).map(({ path }) => path),
        out,
      );
    }
    return packColumns(out);
  }

  /** Finds out which bases are here; the numbers of paths for which the receiver has to describe what it has. */
  async unknownBases(numbers: readonly number[]): Promise<number[]> {
    const { source, signal } = this.#request;
    const bases = numbers.flatMap((number) => this.fresh.bases(this.fresh.list[number]!));
    const there = await source.pathInfos(new Set(bases.map(({ path }) => path)), { signal });
    for (const base of bases) {
      const info = there.get(base.path);
      if (info && sameContents(base, info)) this.#here.set(base.path, info);
    }
    return numbers.filter((number) =>
      this.fresh.bases(this.fresh.list[number]!).some(({ path }) => !this.#here.has(path)),
    );
  }

  /** Takes the receiver's account of the bases of `numbers`. Throws `format`. */
  learnDigests(numbers: readonly number[], bytes: Uint8Array): void {
    const all = decodeDigests(bytes);
    const expected = numbers.reduce((sum, number) => sum + this.fresh.list[number]!.bases.length, 0);
    if (all.length !== expected)
      throw formatError('digests of bases', {}, { expected: `${expected} bases`, got: `${all.length}` });
    let at = 0;
    for (const number of numbers) {
      const { length } = this.fresh.list[number]!.bases;
      this.#digests.set(number, all.slice(at, at + length));
      at += length;
    }
  }

  /** The delta of the paths of these numbers, in this order. */
  async *delta(numbers: readonly number[], options: DeltaOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const { source, signal } = this.#request;
    const { whole = new Set<number>(), tools, onPath } = options;
    const pace = new Pace(options.level);
    await using trees = new NearbyTrees(source, signal);
    let told = 0;
    const delta = encodeDelta(this.#items(numbers, whole, trees), {
      level: pace.level,
      lean: this.baseCount > 0,
      ...(tools && { tools }),
      ...(signal && { signal }),
      onPath: (report) => onPath?.(this.fresh.list[numbers[told++]!]!.path, report),
    });
    yield* pace.measured(delta);
  }

  async *#items(
    numbers: readonly number[],
    whole: ReadonlySet<number>,
    trees: NearbyTrees,
  ): AsyncGenerator<DeltaItem, void, undefined> {
    for (const number of numbers) {
      trees.clear();
      yield await this.item(number, trees, whole.has(number));
    }
  }

  /** A path with what its bases come to once they are translated, out of `trees`. */
  async item(number: number, trees: NearbyTrees, whole = false): Promise<DeltaItem> {
    const fresh = this.fresh.list[number]!;
    const bases = whole ? [] : (this.#digests.get(number) ?? (await this.#trees(fresh, trees)));
    return { name: fresh.path, fresh: await trees.tree(fresh.info), bases };
  }

  async #trees(fresh: Packed, trees: NearbyTrees): Promise<DeltaBase[]> {
    const found: DeltaBase[] = [];
    for (const base of this.fresh.bases(fresh)) {
      const tree = await trees.tree(this.#here.get(base.path)!);
      found.push(translated(tree, this.fresh.translator(fresh, base)));
    }
    return found;
  }
}

/** A base's NAR hash is told by its beginning only: enough, since what is rebuilt is checked. */
function sameContents(base: BaseInfo | undefined, info: PathInfo): boolean {
  return base !== undefined && Buffer.from(info.narHash.bytes).subarray(0, base.narHash.length).equals(base.narHash);
}
