// A copy from a far narrow to here: it is told what is here to rebuild from, tells the closure, and sends deltas.

import { BaseClosure } from '../../delta/base-closure.ts';
import { packingTools } from '../../delta/recompress/member.ts';
import type { PathReport } from '../../delta/stream.ts';
import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { NarrowClient } from '../../protocol/narrow/client.ts';
import { narrowOperations as ops } from '../../protocol/narrow/operations.ts';
import type { MetDestination, OpenNar } from '../store.ts';
import type { OfferedClosure } from './candidates.ts';
import { baseClosures } from './candidates.ts';
import type { DecodedPaths } from './decoded-paths.ts';
import type { PaceLevel } from './pace.ts';
import { completeInfo } from './proof.ts';
import { Rebuilding } from './rebuilding.ts';

export interface NearReceiverOptions {
  /** How much work the sender is to do for few bytes. */
  readonly level?: PaceLevel | undefined;
}

export class NearReceiver implements AsyncDisposable {
  /** Paths here that it may be rebuilt from. */
  readonly baseCount: number;
  readonly #client: NarrowClient;
  readonly #rebuilding: Rebuilding;
  readonly #level: PaceLevel;
  readonly #infos = new Map<StorePath, PathInfo>();
  readonly #numbers: ReadonlyMap<StorePath, number>;
  readonly #stack = new AsyncDisposableStack();
  /** In the order in which they will be opened. */
  #expected: readonly number[] = [];
  #decoded: Promise<DecodedPaths> | undefined;
  /** What came over the connection last. */
  #last: DecodedPaths | undefined;
  readonly #opened = new Set<number>();
  /** What came out of their bases was wrong. */
  readonly #distrusted = new Set<number>();

  private constructor(
    client: NarrowClient,
    rebuilding: Rebuilding,
    known: ReadonlyMap<StorePath, PathInfo>,
    { level = 'auto' }: NearReceiverOptions,
  ) {
    this.#client = client;
    this.#level = level;
    this.#rebuilding = rebuilding;
    this.baseCount = known.size;
    for (const info of known.values()) this.#infos.set(info.path, info);
    for (const sent of rebuilding.fresh.list) {
      const info = completeInfo(sent);
      if (!info) throw new NarrowError('format', `${client.name} did not tell the NAR hash of ${sent.path}`);
      this.#infos.set(info.path, info);
    }
    this.#numbers = new Map(rebuilding.fresh.list.map(({ path }, number) => [path, number]));
  }

  static async meet(
    client: NarrowClient,
    receiving: MetDestination,
    options: NearReceiverOptions = {},
  ): Promise<NearReceiver> {
    const { destination, roots, signal } = receiving;
    const closures = destination.abilities.nearby ? await baseClosures(destination, roots, { signal }) : [];
    const { bases, infos } = await client.call(ops.closure, {
      roots,
      candidates: closures.map(candidateOf),
      tools: packingTools(),
    });
    const chosen = closures.filter(({ root }) => bases.includes(root));
    const known = new Map(chosen.flatMap((closure) => [...closure.infos]));
    const base = new BaseClosure(known.values());
    const rebuilding = new Rebuilding({ store: destination, base, known, infos, signal });
    return new NearReceiver(client, rebuilding, known, options);
  }

  /** What each path's delta cost, and why. */
  get reports(): ReadonlyMap<StorePath, PathReport> {
    return this.#rebuilding.reports;
  }

  /** Those of `paths` that are in the closure. */
  pathInfos(paths: Iterable<StorePath>): Map<StorePath, PathInfo> {
    const found = new Map<StorePath, PathInfo>();
    for (const path of paths) {
      const info = this.#infos.get(path);
      if (info) found.set(path, info);
    }
    return found;
  }

  /** Bytes of the delta of these paths. */
  deltaSize(infos: readonly PathInfo[]): Promise<number> {
    const numbers = infos.flatMap(({ path }) => this.#numbers.get(path) ?? []);
    return this.#client.call(ops.estimate, { numbers, level: this.#level });
  }

  expect(infos: readonly PathInfo[]): void {
    this.#expected = infos.flatMap(({ path }) => this.#numbers.get(path) ?? []);
    this.#opened.clear();
    this.#decoded = undefined;
  }

  /** From the delta of all that is expected; what is opened a second time, or was not expected, comes whole. */
  async open(info: PathInfo): Promise<OpenNar | undefined> {
    const number = this.#numbers.get(info.path);
    if (number === undefined) return undefined;
    if (this.#opened.has(number) || !this.#expected.includes(number)) return this.#whole(number);
    this.#opened.add(number);
    this.#decoded ??= this.#decode(this.#expected);
    return (await this.#decoded).open(number);
  }

  distrust(infos: readonly PathInfo[]): void {
    for (const { path } of infos) this.#distrusted.add(this.#numbers.get(path)!);
  }

  async #decode(numbers: readonly number[], alone = false): Promise<DecodedPaths> {
    await this.#last?.finish();
    const whole = numbers.filter((number) => alone || this.#distrusted.has(number));
    const { bytes } = this.#client.stream(ops.send, { numbers, whole, level: this.#level });
    return (this.#last = this.#stack.use(this.#rebuilding.decode(numbers, new Set(whole), bytes)));
  }

  /** After what is expected: both come over one connection. */
  async #whole(number: number): Promise<OpenNar> {
    return (await this.#decode([number], true)).open(number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

function candidateOf({ root, infos }: OfferedClosure): { root: StorePath; digest: Uint8Array; count: number } {
  return { root, digest: new BaseClosure(infos.values()).digest(), count: infos.size };
}
