// The receiver's half of a copy by deltas: learns what is to come, and makes it from the bases that are here. What comes
// out is checked by whoever takes it, like any other NAR.

import type { ByteSource } from '../../bytes/source.ts';
import type { BaseClosure } from '../../delta/base-closure.ts';
import { digestsOf, encodeDigests } from '../../delta/digests.ts';
import { PathInfoReader, infoColumns } from '../../delta/path-infos.ts';
import type { SentInfo } from '../../delta/path-infos.ts';
import type { PathReport } from '../../delta/stream.ts';
import { decodeDelta } from '../../delta/stream.ts';
import { translated } from '../../delta/translated-tree.ts';
import { giveBackMemory } from '../../fs/libc.ts';
import type { SyncFileTree } from '../../format/nar/tree.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import { FreshPaths } from './books.ts';
import { DecodedPaths } from './decoded-paths.ts';
import type { NumberedTarget } from './decoded-paths.ts';
import { NearbyTrees } from './nearby-trees.ts';
import type { NearbyStore } from './nearby-trees.ts';
import { unpackColumns } from './packed-columns.ts';

export interface RebuildingRequest {
  /** Where the bases are. */
  readonly store: NearbyStore;
  readonly base: BaseClosure;
  /** Of the bases, as the store knows them. */
  readonly known: ReadonlyMap<StorePath, PathInfo>;
  /** Infos of what is to come, as the sender packed them. */
  readonly infos: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

export class Rebuilding {
  readonly fresh: FreshPaths<SentInfo>;
  /** What each path's delta cost, and why. */
  readonly reports: Map<StorePath, PathReport> = new Map();
  readonly #request: RebuildingRequest;

  /** Throws `format`. */
  constructor(request: RebuildingRequest) {
    giveBackMemory();
    this.#request = request;
    this.fresh = new FreshPaths(unpackInfos(request.infos, request.base), request.base);
  }

  /** What the bases of these paths come to once they are translated. */
  async digests(numbers: readonly number[]): Promise<Uint8Array> {
    await using trees = this.#nearby();
    const all = [];
    for (const number of numbers) {
      trees.clear();
      for (const tree of await this.#bases(this.fresh.list[number]!, trees)) all.push(digestsOf(tree));
    }
    return await encodeDigests(all);
  }

  /** The paths of a delta, which comes in the order of `numbers`. Those that are not `wanted` will not be taken. */
  decode(
    numbers: readonly number[],
    whole: ReadonlySet<number>,
    delta: ByteSource,
    wanted?: (number: number) => boolean,
  ): DecodedPaths {
    const { signal } = this.#request;
    const trees = this.#nearby();
    const targets = this.#targets(numbers, whole, trees);
    const decoded = decodeDelta(delta, targets, signal ? { signal } : {});
    const onReport = ({ number }: NumberedTarget, report: PathReport): void =>
      void this.reports.set(this.fresh.list[number]!.path, report);
    return new DecodedPaths(decoded, trees, onReport, wanted);
  }

  #nearby(): NearbyTrees {
    return new NearbyTrees(this.#request.store, this.#request.signal);
  }

  async *#targets(
    numbers: readonly number[],
    whole: ReadonlySet<number>,
    trees: NearbyTrees,
  ): AsyncGenerator<NumberedTarget, void, undefined> {
    for (const number of numbers) {
      trees.clear();
      const fresh = this.fresh.list[number]!;
      const bases = whole.has(number) ? [] : await this.#bases(fresh, trees);
      yield { number, name: fresh.path, narSize: fresh.narSize, bases };
    }
  }

  async #bases(fresh: SentInfo, trees: NearbyTrees): Promise<SyncFileTree[]> {
    const found: SyncFileTree[] = [];
    for (const base of this.fresh.bases(fresh)) {
      const tree = await trees.tree(this.#request.known.get(base.path)!);
      found.push(translated(tree, this.fresh.translator(fresh, base)));
    }
    return found;
  }
}

function unpackInfos(bytes: Uint8Array, base: BaseClosure): SentInfo[] {
  const input = unpackColumns(bytes, infoColumns, 'list of path infos');
  const reader = new PathInfoReader(base);
  const list: SentInfo[] = [];
  // every path has a byte of its own in the first column
  while (input.left(0) > 0) list.push(reader.read(input));
  input.expectEnd();
  return list;
}
