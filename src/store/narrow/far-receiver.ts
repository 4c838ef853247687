// The far side of a copy from here to there: offers what it has, says what it lacks, and rebuilds that from deltas.

import { BaseClosure, inventoryColumns, writeInventory } from '../../delta/base-closure.ts';
import { ColumnWriter } from '../../delta/columns.ts';
import { packingTools } from '../../delta/recompress/member.ts';
import { NarrowError } from '../../errors.ts';
import type { Spool } from '../../fs/spool.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { NumberedEnding, NumberedStanding, Offer } from '../../protocol/narrow/operations.ts';
import { asFailure } from '../../protocol/narrow/reply.ts';
import type { NarrowHandlers } from '../../protocol/narrow/server.ts';
import { isInspectable } from '../facts.ts';
import type { Item, Outcome, RootedStore, WritableStore } from '../store.ts';
import { isRooted } from '../store.ts';
import { baseClosures } from './candidates.ts';
import type { DecodedPaths } from './decoded-paths.ts';
import type { FarContext } from './far-context.ts';
import { packColumns } from './packed-columns.ts';
import { completeInfo, proven } from './proof.ts';
import { Rebuilding } from './rebuilding.ts';
import { signaturesDigest } from './signatures-digest.ts';

type Names = 'offer' | 'describe' | 'survey' | 'rebuild' | 'addSignatures' | 'addRoot' | 'setProfile';
type Handlers = Required<Pick<NarrowHandlers, Names>>;
type Survey = Awaited<ReturnType<Handlers['survey']>>;
type RebuildRequest = Parameters<Handlers['rebuild']>[0];

export class FarReceiver {
  readonly handlers: Handlers = {
    offer: ({ roots }) => this.#offer(roots),
    describe: ({ roots }) => this.#describe(roots),
    survey: (request) => this.#survey(request),
    rebuild: async (request, body) => {
      await using decoded = this.#surveyed().decode(request.numbers, new Set(request.whole), body);
      return await this.#rebuild(request, decoded);
    },
    addSignatures: ({ path, narHash, signatures }) => this.#destination().addSignatures(path, narHash, signatures),
    addRoot: ({ link, path }) => this.#rooted().addRoot(link, path),
    setProfile: ({ profile, path }) => this.#rooted().setProfile(profile, path),
  };
  readonly #context: FarContext;
  #rebuilding: Rebuilding | undefined;

  constructor(context: FarContext) {
    this.#context = context;
  }

  async #offer(roots: readonly StorePath[]): Promise<Offer> {
    const { store, destination = store, trustedKeys } = this.#context.options;
    const closures = await baseClosures(store, roots);
    await this.#context.hold(closures.flatMap(({ infos }) => [...infos.keys()]));
    const facts = isInspectable(destination) ? await destination.inspect() : { kind: 'store' };
    return {
      candidates: closures.map(({ root, infos }) => ({
        root,
        digest: new BaseClosure(infos.values()).digest(),
        count: infos.size,
      })),
      tools: packingTools(),
      trusted: facts.trust === 'trusted',
      requireSignatures: facts.signatures?.required ?? true,
      trustedKeys: trustedKeys.names(),
      facts: JSON.stringify(facts),
    };
  }

  async #describe(roots: readonly StorePath[]): Promise<Uint8Array> {
    const out = new ColumnWriter(inventoryColumns);
    writeInventory(new BaseClosure((await this.#context.closures(roots)).values()), out);
    return packColumns(out);
  }

  async #survey(request: Parameters<Handlers['survey']>[0]): Promise<Survey> {
    const { bases, checkSignatures, infos } = request;
    const { store, signal } = this.#context.options;
    const destination = this.#destination();
    const known = await this.#context.closures(bases);
    this.#rebuilding = new Rebuilding({ store, base: new BaseClosure(known.values()), known, infos, signal });
    const { list } = this.#rebuilding.fresh;
    const paths = list.map(({ path }) => path);
    await this.#context.hold(paths);
    const there = await store.pathInfos(paths);
    const whole = list.flatMap((sent) => (there.has(sent.path) ? [] : (completeInfo(sent) ?? [])));
    const verdicts = await destination.check(whole, { checkSignatures, signal });
    const standings = list.flatMap(({ path }, number): NumberedStanding[] => {
      const here = there.get(path);
      if (here) return [{ number, standing: { status: 'valid', info: here } }];
      const verdict = verdicts.get(path);
      return verdict?.status === 'refused'
        ? [{ number, standing: { status: 'refused', why: verdict.why, hint: verdict.hint } }]
        : [];
    });
    const settled = new Set(standings.map(({ number }) => number));
    const digests = await this.#rebuilding.digests(request.unknown.filter((number) => !settled.has(number)));
    const own = request.signatures.length === 0 ? request.signatures : signaturesDigest(known.values());
    return { standings, sameSignatures: Buffer.from(own).equals(request.signatures), digests };
  }

  async #rebuild(request: RebuildRequest, decoded: DecodedPaths): Promise<NumberedEnding[]> {
    const { signal } = this.#context.options;
    const { numbers, checkSignatures } = request;
    const { list } = this.#surveyed().fresh;
    const numberOf = new Map(numbers.map((number) => [list[number]!.path, number]));
    const endings: NumberedEnding[] = [];
    const spools = new Map<StorePath, Spool>();
    try {
      const items = this.#items(request, decoded, spools, (ending) => endings.push(ending));
      for await (const outcome of this.#destination().add(items, { checkSignatures, signal })) {
        await spools.get(outcome.path)?.[Symbol.asyncDispose]();
        if (outcome.status !== 'added')
          endings.push({ number: numberOf.get(outcome.path)!, ending: endingOf(outcome) });
      }
    } finally {
      await Promise.all([...spools.values()].map((spool) => spool[Symbol.asyncDispose]()));
    }
    return endings;
  }

  async *#items(
    { numbers, realisations }: RebuildRequest,
    decoded: DecodedPaths,
    spools: Map<StorePath, Spool>,
    fail: (ending: NumberedEnding) => void,
  ): AsyncGenerator<Item, void, undefined> {
    const { trustedKeys, store } = this.#context.options;
    const byPath = Map.groupBy(realisations, (r) => r.outPath);
    for (const number of numbers) {
      const sent = this.#surveyed().fresh.list[number]!;
      const realised = byPath.get(sent.path);
      const info = completeInfo(sent);
      if (info) {
        yield { info, realisations: realised, open: () => decoded.open(number) };
        continue;
      }
      try {
        const { info: found, spool } = await proven(sent, decoded.take(number), store.storeDir, trustedKeys);
        spools.set(sent.path, spool);
        const open = (): ReturnType<Item['open']> => Promise.resolve({ encoding: 'none', bytes: spool.read() });
        yield { info: found, realisations: realised, open };
      } catch (error) {
        fail({ number, ending: { status: 'failed', error: asFailure(error) } });
      }
    }
  }

  #surveyed(): Rebuilding {
    if (this.#rebuilding) return this.#rebuilding;
    throw new NarrowError('format', 'the client sends paths before their infos');
  }

  #destination(): WritableStore {
    const { destination, store } = this.#context.options;
    if (destination) return destination;
    throw new NarrowError('refused', `${store.url} is offered for reading only`);
  }

  #rooted(): RootedStore {
    const destination = this.#destination();
    if (isRooted(destination)) return destination;
    throw new NarrowError('unsupported', `${destination.url} keeps no links`);
  }
}

function endingOf(outcome: Exclude<Outcome, { status: 'added' }>): NumberedEnding['ending'] {
  return outcome.status === 'valid'
    ? { status: 'valid', error: undefined }
    : { status: outcome.status, error: asFailure(outcome.error) };
}
