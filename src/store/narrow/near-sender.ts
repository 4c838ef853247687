// A copy from here to a far narrow: what it has is found out, paths are paired with it, and only deltas are sent.

import { walkClosure } from '../../closure/walk.ts';
import { BaseClosure, inventoryColumns, readInventory } from '../../delta/base-closure.ts';
import type { BaseInfo } from '../../delta/base-closure.ts';
import type { PathReport } from '../../delta/report.ts';
import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { NarrowClient } from '../../protocol/narrow/client.ts';
import { narrowOperations as ops } from '../../protocol/narrow/operations.ts';
import type { Ending, Offer, OperationAnswer, OperationRequest } from '../../protocol/narrow/operations.ts';
import type { AddOptions, Item, MetSource, Outcome, Verdict } from '../store.ts';
import { verdictOnKnown } from '../verdict.ts';
import type { PaceLevel } from './pace.ts';
import { Packing } from './packing.ts';
import type { InfoOptions } from './packing.ts';
import { unpackColumns } from './packed-columns.ts';
import { signaturesDigest } from './signatures-digest.ts';

export interface NearSenderOptions {
  /** How much work for few bytes. */
  readonly level?: PaceLevel | undefined;
  readonly warn: (text: string) => void;
}

/** Whoever names a host by ssh:// vouches for what it is sent, as nix-copy-closure has it; a daemon that does not trust the user checks all the same. */
const demanded = false;

/** Inventories of more paths are not asked for: they would cost more than they save. */
const inventoryLimit = 50_000;

export class NearSender {
  readonly offer: Offer;
  readonly packing: Packing;
  /** What each path's delta cost, and why. */
  readonly reports: Map<StorePath, PathReport> = new Map();
  readonly #client: NarrowClient;
  readonly #baseRoots: readonly StorePath[];
  readonly #options: NearSenderOptions;
  readonly #numbers: ReadonlyMap<StorePath, number>;

  private constructor(
    client: NarrowClient,
    sending: MetSource,
    offer: Offer,
    bases: { readonly roots: readonly StorePath[]; readonly infos: readonly Known[] },
    options: NearSenderOptions,
  ) {
    this.#client = client;
    this.offer = offer;
    this.#baseRoots = bases.roots;
    this.#options = options;
    this.packing = new Packing({ ...sending, base: new BaseClosure(bases.infos), baseRoots: bases.roots });
    this.#numbers = new Map(this.packing.fresh.list.map(({ path }, number) => [path, number]));
  }

  /** Asks what is there to rebuild from. */
  static async meet(client: NarrowClient, sending: MetSource, options: NearSenderOptions): Promise<NearSender> {
    const offer = await client.call(ops.offer, { roots: sending.roots });
    return new NearSender(client, sending, offer, await basesOf(client, sending, offer), options);
  }

  /** What the destination says of each path of the closure. */
  async check(infos: readonly PathInfo[]): Promise<Map<StorePath, Verdict>> {
    const trusted = new Set(this.offer.trustedKeys);
    const shared = infos.filter(({ path }) => !this.#numbers.has(path));
    const unknown = await this.packing.unknownBases([...this.packing.fresh.list.keys()]);
    const { standings, sameSignatures, digests } = await this.#survey({
      signed: (info) => info.signatures.some((signature) => trusted.has(signature.slice(0, signature.indexOf(':')))),
      signatures: signaturesDigest(shared),
      unknown,
    });
    const byNumber = new Map(standings.map(({ number, standing }) => [number, standing]));
    this.packing.learnDigests(
      unknown.filter((number) => !byNumber.has(number)),
      digests,
    );
    const there = sameSignatures ? undefined : await this.#query(shared);
    return new Map(
      infos.map((info): [StorePath, Verdict] => {
        const number = this.#numbers.get(info.path);
        const standing = number === undefined ? undefined : byNumber.get(number);
        const here = standing?.status === 'valid' ? standing.info : there?.get(info.path);
        if (here) return [info.path, verdictOnKnown(here, info)];
        if (number === undefined) return [info.path, { status: 'valid', newSignatures: [] }];
        return [info.path, standing?.status === 'refused' ? standing : { status: 'missing' }];
      }),
    );
  }

  /** Tells what is to come. */
  async #survey(how: SurveyOptions): Promise<Survey> {
    const { signatures = Buffer.alloc(0), unknown = [], ...rest } = how;
    const infos = await this.packing.infos(rest);
    const request = { bases: this.#baseRoots, checkSignatures: demanded, infos, signatures, unknown };
    return await this.#client.call(ops.survey, request);
  }

  async #query(infos: readonly PathInfo[]): Promise<Map<StorePath, PathInfo>> {
    const signed = infos.filter(({ signatures }) => signatures.length > 0).map(({ path }) => path);
    const found = await this.#client.call(ops.query, { paths: signed });
    return new Map(found.map((info) => [info.path, info]));
  }

  /** Sends deltas; paths that do not come out as they should are sent again, whole. */
  async *add(items: AsyncIterable<Item>, options: AddOptions): AsyncGenerator<Outcome, void, undefined> {
    const all = new Map<number, Item>();
    const others: Item[] = [];
    for await (const item of items) {
      const number = this.#numbers.get(item.info.path);
      if (number === undefined) others.push(item);
      else all.set(number, item);
    }
    for (const { info } of others) yield { status: 'valid', path: info.path, bytes: 0 };
    if (all.size === 0) return;
    const first = await this.#send([...all.keys()], new Set(), [...all.values(), ...others], options);
    const again = this.#failed([...all.keys()], first.endings);
    const spoiled = new Set(again.filter((number) => isSpoiled(first.endings.get(number)!)));
    for (const number of all.keys())
      if (!again.includes(number)) yield this.#outcome(number, first.endings.get(number), first.bytes);
    if (again.length === 0) return;
    if (spoiled.size === 0) {
      for (const number of again) yield this.#outcome(number, first.endings.get(number), first.bytes);
      return;
    }
    for (const number of spoiled) {
      const why = first.endings.get(number)!.error?.message ?? 'it came out wrong';
      this.#options.warn(`${this.packing.fresh.list[number]!.path} could not be rebuilt and is sent whole: ${why}`);
    }
    // what was to be proven by a signature may have one that proves nothing: now with all hashes
    await this.#survey({ complete: true });
    const second = await this.#send(again, spoiled, [...all.values()], options);
    for (const number of again) yield this.#outcome(number, second.endings.get(number), second.bytes);
  }

  /** Those of `numbers` that failed, or were refused because something failed that they refer to. */
  #failed(numbers: readonly number[], endings: ReadonlyMap<number, Ending>): number[] {
    const failed = new Set<StorePath>();
    return numbers.filter((number) => {
      const status = endings.get(number)?.status;
      const { path, references } = this.packing.fresh.list[number]!;
      const fails = status === 'failed' || (status === 'refused' && references.some((one) => failed.has(one)));
      if (fails) failed.add(path);
      return fails;
    });
  }

  /** Bytes of the delta of these paths. */
  async deltaSize(infos: readonly PathInfo[]): Promise<number> {
    const numbers = infos.flatMap(({ path }) => this.#numbers.get(path) ?? []);
    let size = 0;
    const how = { tools: new Set(this.offer.tools), level: this.#options.level };
    for await (const chunk of this.packing.delta(numbers, how)) size += chunk.length;
    return size;
  }

  async #send(
    numbers: readonly number[],
    whole: ReadonlySet<number>,
    items: readonly Item[],
    { onBytes }: AddOptions,
  ): Promise<{ endings: Map<number, Ending>; bytes: Map<StorePath, number> }> {
    const bytes = new Map<StorePath, number>();
    const delta = this.packing.delta(numbers, {
      whole,
      tools: new Set(this.offer.tools),
      level: this.#options.level,
      onPath: (path, report) => {
        bytes.set(path, Math.round(report.bytes));
        onBytes?.(path, this.packing.fresh.list[this.#numbers.get(path)!]!.info.narSize);
        this.reports.set(path, report);
      },
    });
    const realisations = items.flatMap((item) => item.realisations ?? []);
    const request = { numbers, whole: [...whole], checkSignatures: demanded, realisations };
    const endings = await this.#client.call(ops.rebuild, request, delta);
    return { endings: new Map(endings.map(({ number, ending }) => [number, ending])), bytes };
  }

  #outcome(number: number, ending: Ending | undefined, bytes: ReadonlyMap<StorePath, number>): Outcome {
    const { path } = this.packing.fresh.list[number]!;
    const sent = bytes.get(path) ?? 0;
    if (!ending) return { status: 'added', path, bytes: sent };
    if (ending.status === 'valid') return { status: 'valid', path, bytes: 0 };
    const error = ending.error ?? new NarrowError('io', `${path} was not added, without a reason`);
    return { status: ending.status, path, bytes: sent, error };
  }
}

type Known = PathInfo | BaseInfo;

type Survey = OperationAnswer<typeof ops.survey>;
type SurveyOptions = InfoOptions & Partial<Pick<OperationRequest<typeof ops.survey>, 'signatures' | 'unknown'>>;

/** What came out was wrong, or could not be made: a damaged base. Other failures would only repeat themselves. */
function isSpoiled({ error }: Ending): boolean {
  return error !== undefined && ['integrity', 'format'].includes(error.code);
}

/** Candidates that are known here cost nothing; only where there are none, the others are described. */
async function basesOf(
  client: NarrowClient,
  { source, signal }: MetSource,
  { candidates }: Offer,
): Promise<{ roots: StorePath[]; infos: Known[] }> {
  const roots: StorePath[] = [];
  const infos: Known[] = [];
  for (const { root, digest, count } of candidates) {
    const { infos: here } = await walkClosure((paths) => source.pathInfos(paths, { signal }), [root]);
    if (here.size !== count || !Buffer.from(new BaseClosure(here.values()).digest()).equals(digest)) continue;
    roots.push(root);
    infos.push(...here.values());
  }
  const small = candidates.filter(({ count }) => count <= inventoryLimit);
  if (roots.length > 0 || small.length === 0) return { roots, infos };
  const described = small.map(({ root }) => root);
  const inventory = unpackColumns(await client.call(ops.describe, { roots: described }), inventoryColumns, 'inventory');
  return { roots: described, infos: [...readInventory(inventory).infos] };
}
