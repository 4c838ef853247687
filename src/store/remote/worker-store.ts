// A store behind a Nix daemon, however it is reached. One connection asks, adds and holds temporary roots for the life of
// the store; NARs are fetched over others, since one connection does one thing at a time.

import { NarrowError, isNarrowError } from '../../errors.ts';
import type { FileTree } from '../../format/nar/tree.ts';
import { equalHash, formatHash } from '../../model/hash.ts';
import type { Hash } from '../../model/hash.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { Realisation } from '../../model/realisation.ts';
import { realisationId } from '../../model/realisation.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { isHashPart } from '../../model/store-path.ts';
import { namesByPath } from '../../protocol/codec/realisation.ts';
import type { Duplex } from '../../protocol/duplex.ts';
import { WorkerClient } from '../../protocol/worker/client.ts';
import type { Trust } from '../../protocol/worker/handshake.ts';
import type { Message } from '../../protocol/worker/message.ts';
import { workerOperations as ops } from '../../protocol/worker/operations.ts';
import { SpooledTrees } from '../cache/spooled-trees.ts';
import { verdictOn } from '../verdict.ts';
import type { BuildOutcome, BuildRequestOptions, BuildTarget, BuildingStore } from '../building.ts';
import type { StoreFacts } from '../facts.ts';
import type { Abilities, AddOptions, Item, OpenNar, OpenOptions, Outcome, QueryOptions, Verdict } from '../store.ts';
import { buildMessages, buildOverWorker, failOnAbort } from './build.ts';
import { batchesOf } from './batches.ts';
import { addBulk, addSingly, bulkItems, failure, outcomeOfKnown } from './bulk.ts';
import type { RemoteContext } from './context.ts';
import { Fetcher } from './fetcher.ts';
import { showMessages } from './log.ts';
import { because, outcomesOf } from './outcomes.ts';
import { daemonRealisations } from './realisations.ts';

export interface WorkerStoreOptions {
  readonly url: string;
  readonly storeDir: StoreDir;
  readonly abilities: Abilities;
  readonly context: RemoteContext;
  /** Opens a connection to the daemon. */
  readonly connect: () => Promise<Duplex>;
  /** Connections for NARs. */
  readonly maxLanes: number;
  /** Fetch over the asking connection while there is no other need: where another costs a login. */
  readonly shareLane: boolean;
  /** What this machine knows of the daemon's demands; undefined when they are another machine's. */
  readonly requireSignatures: boolean | undefined;
  /** What a daemon too old to tell (before 1.35) thinks of this user. */
  readonly assumedTrust: Trust;
}

/** Streams that failed one after the other without a single path taken: the next would fail, too. */
const hopeless = 3;

export class WorkerStore implements BuildingStore {
  readonly url: string;
  readonly storeDir: StoreDir;
  readonly abilities: Abilities;
  readonly tellsOutputs: boolean = true;
  protected readonly options: WorkerStoreOptions;
  readonly #fetcher: Fetcher;
  readonly #trees = new SpooledTrees();
  readonly #held = new Set<StorePath>();
  readonly #clients = new Set<WorkerClient>();
  /** Paths that were not there when it was checked, which need not be asked about again. */
  readonly #missing = new Set<StorePath>();
  #main: Promise<WorkerClient> | undefined;
  #disposed = false;

  constructor(options: WorkerStoreOptions) {
    this.options = options;
    this.url = options.url;
    this.storeDir = options.storeDir;
    this.abilities = options.abilities;
    let shared = options.shareLane;
    this.#fetcher = new Fetcher({
      maxLanes: options.maxLanes,
      openLane: () => {
        const first = shared;
        shared = false;
        return first ? this.client() : this.#open();
      },
    });
  }

  /** The connection that asks; a broken one is replaced, and what was held is held again. */
  protected client(): Promise<WorkerClient> {
    const main = this.#main ?? this.#reopen();
    return main.then((client) => (client.broken ? this.#reopen(client) : client));
  }

  async #reopen(old?: WorkerClient): Promise<WorkerClient> {
    if (old && this.#main && (await this.#main) !== old) return this.client();
    const opening = this.#open();
    this.#main = opening.then((client) => {
      this.#sendRoots(client, this.#held);
      return client;
    });
    this.#main.catch(() => (this.#main = undefined));
    return this.#main;
  }

  async #open(): Promise<WorkerClient> {
    const client = await this.#connect(showMessages(this.url, this.options.context));
    // messages below warnings are for its own users
    client.call(ops.setOptions, quiet).catch(() => {});
    return client;
  }

  async #connect(onMessage: (message: Message) => void): Promise<WorkerClient> {
    if (this.#disposed) throw new NarrowError('unavailable', `${this.url} is closed`);
    this.options.context.signal?.throwIfAborted();
    const { storeDir } = this.options;
    const client = await WorkerClient.open(await this.options.connect(), { storeDir, onMessage });
    this.#clients.add(client);
    return client;
  }

  /** Opens the connection now, for what goes wrong with it to be told early. */
  async connected(): Promise<this> {
    await this.client();
    return this;
  }

  async pathInfos(paths: Iterable<StorePath>, options?: QueryOptions): Promise<Map<StorePath, PathInfo>> {
    options?.signal?.throwIfAborted();
    const client = await this.client();
    const wanted = [...new Set(paths)];
    const answers = await Promise.all(wanted.map((path) => client.call(ops.queryPathInfo, { path })));
    const infos = new Map<StorePath, PathInfo>();
    for (const [i, info] of answers.entries()) if (info) infos.set(wanted[i]!, { path: wanted[i]!, ...info });
    return infos;
  }

  async pathByHashPart(hashPart: string): Promise<StorePath | undefined> {
    if (!isHashPart(hashPart)) return undefined;
    return (await this.client()).call(ops.queryPathFromHashPart, { hashPart });
  }

  /** See `expect` of the interface. */
  expect(infos: readonly PathInfo[]): void {
    this.#fetcher.expect(infos);
  }

  async open(info: PathInfo, { signal }: OpenOptions = {}): Promise<OpenNar> {
    return {
      encoding: 'none',
      size: info.narSize || undefined,
      hash: info.narHash,
      bytes: this.#fetcher.fetch(info, signal),
    };
  }

  tree(info: PathInfo, options: QueryOptions = {}): Promise<FileTree> {
    return this.#trees.spool({ info, open: (o) => this.open(info, o) }, options.signal);
  }

  /** Temporary roots, which live as long as the connection. What is asked after this is answered after it. */
  async hold(paths: Iterable<StorePath>): Promise<AsyncDisposable> {
    const fresh = [...new Set(paths)].filter((path) => !this.#held.has(path));
    const client = await this.client();
    for (const path of fresh) this.#held.add(path);
    this.#sendRoots(client, fresh);
    return { async [Symbol.asyncDispose]() {} };
  }

  #sendRoots(client: WorkerClient, paths: Iterable<StorePath>): void {
    // a connection that breaks shows it to the next question
    for (const path of paths) client.call(ops.addTempRoot, { path }).catch(() => {});
  }

  async realisations(paths: readonly PathInfo[]): Promise<Realisation[]> {
    const { warn } = this.options.context;
    return daemonRealisations(await this.client(), paths, (unknown) => {
      const which = unknown.length === 1 ? unknown[0] : `${unknown.length} paths, ${unknown[0]} among them,`;
      warn(`${this.url} does not have the derivation of ${which} and cannot tell its realisations`);
    });
  }

  /** Whether the daemon takes paths of this user without signatures. */
  protected trustOf(client: WorkerClient): Trust {
    return client.peer.trust === 'unknown' ? this.options.assumedTrust : client.peer.trust;
  }

  /** What the daemon said when it was greeted. */
  async inspect(): Promise<StoreFacts> {
    const client = await this.client();
    const { nixVersion, version } = client.peer;
    const { requireSignatures, context } = this.options;
    return {
      kind: 'Nix daemon',
      version: `${nixVersion === '' ? '' : `Nix ${nixVersion}, `}worker protocol 1.${version}`,
      trust: this.trustOf(client),
      writable: true,
      signatures:
        requireSignatures === undefined
          ? undefined
          : { required: requireSignatures, trustedKeys: context.trustedKeys.names() },
    };
  }

  async check(infos: readonly PathInfo[], options: AddOptions = {}): Promise<Map<StorePath, Verdict>> {
    const client = await this.client();
    const known = await this.pathInfos(
      infos.map((i) => i.path),
      options,
    );
    const { requireSignatures = false, context } = this.options;
    const policy = { storeDir: this.storeDir, trustedKeys: context.trustedKeys, requireSignatures };
    const checked = (options.checkSignatures ?? true) || this.trustOf(client) === 'untrusted';
    for (const { path } of infos) {
      if (known.has(path)) this.#missing.delete(path);
      else this.#missing.add(path);
    }
    return new Map(infos.map((info) => [info.path, verdictOn(policy, known.get(info.path), info, checked)]));
  }

  add(items: AsyncIterable<Item>, options: AddOptions = {}): AsyncIterable<Outcome> {
    return outcomesOf((tell, signal) => this.#add(items, { ...options, signal }, tell), options.signal);
  }

  async #add(items: AsyncIterable<Item>, options: AddOptions, tell: (outcome: Outcome) => void): Promise<void> {
    const client = await this.client();
    const dontCheckSignatures = !(options.checkSignatures ?? true) && this.trustOf(client) !== 'untrusted';
    const failed = new Map<StorePath, Error>();
    const hear = (outcome: Outcome): void => {
      this.#missing.delete(outcome.path);
      if ('error' in outcome) failed.set(outcome.path, outcome.error);
      tell(outcome);
    };
    for await (const batch of batchesOf(items, bulkItems)) {
      const able = await this.#sortOut(await this.client(), batch, hear);
      if (client.has(ops.addMultipleToStore as never)) {
        await this.#addRounds(able, { ...options, dontCheckSignatures }, failed, hear);
      } else {
        await addSingly(await this.client(), able, { ...options, dontCheckSignatures }, (o) =>
          this.#tellAdded(o, hear),
        );
      }
    }
    await this.#register(hear);
  }

  /** Streams until every item has its outcome: what a stream did not reach goes into the next. */
  async #addRounds(
    items: readonly Item[],
    options: AddOptions & { readonly dontCheckSignatures: boolean },
    failed: ReadonlyMap<StorePath, Error>,
    tell: (outcome: Outcome) => void,
  ): Promise<void> {
    let left = items;
    for (let fruitless = 0; left.length > 0;) {
      const able = left.filter((item) => !tellIfLost(item, failed, tell));
      if (able.length === 0) return;
      const round = await addBulk(await this.client(), able, options);
      for (const outcome of round.outcomes) this.#tellAdded(outcome, tell);
      left = round.left;
      fruitless = round.outcomes.some((o) => o.status === 'added') ? 0 : fruitless + 1;
      const last = round.outcomes.at(-1);
      if (fruitless < hopeless || !last || !('error' in last)) continue;
      for (const item of left)
        tell(failure(item, new NarrowError('refused', because(item.info.path, last.error.message))));
      return;
    }
  }

  /** Realisations of items that are on their way, by path. */
  readonly #realisations = new Map<StorePath, readonly Realisation[]>();
  /** Outcomes that wait for them. */
  readonly #unregistered: Outcome[] = [];

  /**
   * Those of `items` that have to be sent. What is there already, or other than it, is told, and its realisations are
   * remembered for registration; items whose realisations this daemon cannot be given are refused by name.
   */
  async #sortOut(
    client: WorkerClient,
    items: readonly Item[],
    tell: (outcome: Outcome) => void,
  ): Promise<readonly Item[]> {
    const unasked = items.map((item) => item.info.path).filter((path) => !this.#missing.has(path));
    const known = unasked.length === 0 ? new Map<StorePath, PathInfo>() : await this.pathInfos(unasked);
    return items.filter((item) => {
      const { info, realisations = [] } = item;
      const outcome = outcomeOfKnown(known.get(info.path), info);
      if (outcome && 'error' in outcome) tell(outcome);
      else if (realisations.length > 0 && !this.#takes(client, realisations)) {
        const why = `${this.url} cannot be told the realisations of ${info.path}`;
        const hint = 'it speaks another form of them; the Nix there is too old, or too new';
        tell(failure(item, new NarrowError('refused', why, { hint })));
        return false;
      } else {
        if (realisations.length > 0) this.#realisations.set(info.path, realisations);
        if (outcome) this.#tellAdded(outcome, tell);
      }
      return outcome === undefined;
    });
  }

  #takes(client: WorkerClient, realisations: readonly Realisation[]): boolean {
    const kind = namesByPath(client.peer) ? 'traced' : 'hashed';
    return client.has(ops.registerDrvOutput as never) && realisations.every((r) => r.kind === kind);
  }

  /** A path with realisations counts as added only when they are registered, which comes last. */
  #tellAdded(outcome: Outcome, tell: (outcome: Outcome) => void): void {
    if ('error' in outcome || !this.#realisations.has(outcome.path)) tell(outcome);
    else this.#unregistered.push(outcome);
  }

  /** They depend on each other otherwise than the paths do: those that others name go first. */
  async #register(tell: (outcome: Outcome) => void): Promise<void> {
    const waiting = this.#unregistered.splice(0);
    const realisations = waiting.flatMap((o) => this.#realisations.get(o.path) ?? []);
    this.#realisations.clear();
    if (realisations.length === 0) return;
    const client = await this.client();
    const failed = new Map<StorePath, Error>();
    const register = (realisation: Realisation): Promise<void> =>
      client.call(ops.registerDrvOutput, { realisation }).catch((error: Error) => {
        if (client.broken) throw error;
        failed.set(realisation.outPath, error);
      });
    await Promise.all(dependenciesFirst(realisations).map(register));
    for (const outcome of waiting) {
      const error = failed.get(outcome.path);
      tell(error ? { status: 'failed', path: outcome.path, bytes: 0, error } : outcome);
    }
  }

  async addSignatures(path: StorePath, narHash: Hash, signatures: readonly string[]): Promise<void> {
    const here = (await this.pathInfos([path])).get(path);
    if (!here) throw new NarrowError('missing', `${path} is not valid in ${this.url}`, { data: { path } });
    if (!equalHash(here.narHash, narHash)) {
      throw new NarrowError('differs', `${path} has other contents in ${this.url}: its signature is for another NAR`, {
        data: { path, expected: formatHash(narHash), got: formatHash(here.narHash) },
      });
    }
    const client = await this.client();
    try {
      await client.call(ops.addSignatures, { path, signatures });
    } catch (error) {
      // 2.8 takes signatures from trusted users only; a path that is there is no reason to fail
      if (!isNarrowError(error, 'refused') || this.trustOf(client) === 'trusted') throw error;
      this.options.context.warn(`${path} is there already, but its new signatures are not: ${error.message}`);
    }
  }

  /** On a connection of its own, where the daemon's own settings hold (jobs, cores, limits); it keeps what it built. */
  async buildPaths(targets: readonly BuildTarget[], options: BuildRequestOptions = {}): Promise<BuildOutcome[]> {
    const { onLog = this.options.context.warn, signal } = options;
    const others = showMessages(this.url, { warn: this.options.context.warn, debug: onLog });
    const client = await this.#connect(buildMessages(onLog, others));
    using _stop = failOnAbort(client, signal);
    return await buildOverWorker(client, targets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await Promise.allSettled([...this.#clients].map((client) => client[Symbol.asyncDispose]()));
    await this.#trees[Symbol.asyncDispose]();
  }
}

/**
 * In the order of registration. Daemons up to 2.31 want those that others depend on to be registered, also of outputs that
 * are not content-addressed, whose own realisations say nothing new and do not travel: they are made up from the reference.
 */
function dependenciesFirst(realisations: readonly Realisation[]): Realisation[] {
  const byId = new Map(realisations.map((r) => [realisationId(r), r]));
  const ordered = new Map<string, Realisation>();
  const visit = (realisation: Realisation): void => {
    const id = realisationId(realisation);
    byId.delete(id);
    const needs = realisation.kind === 'hashed' ? Object.entries(realisation.dependentRealisations) : [];
    for (const [needed, outPath] of needs) {
      const known = byId.get(needed);
      if (known) visit(known);
      else if (!ordered.has(needed) && needed !== id) {
        ordered.set(needed, { kind: 'hashed', id: needed, outPath, signatures: [], dependentRealisations: {} });
      }
    }
    ordered.set(id, realisation);
  };
  for (const realisation of realisations) if (byId.has(realisationId(realisation))) visit(realisation);
  return [...ordered.values()];
}

function tellIfLost(item: Item, failed: ReadonlyMap<StorePath, Error>, tell: (outcome: Outcome) => void): boolean {
  const { path, references } = item.info;
  const lost = references.find((r) => r !== path && failed.has(r));
  if (lost === undefined) return false;
  tell(
    failure(
      item,
      new NarrowError('missing', because(path, `it needs ${lost}, which failed`), { cause: failed.get(lost) }),
    ),
  );
  return true;
}

/** Warnings and errors only; nothing is built over these connections. */
const quiet = {
  keepFailed: false,
  keepGoing: false,
  tryFallback: false,
  verbosity: 1,
  maxBuildJobs: 1,
  maxSilentTime: 0,
  verboseBuild: false,
  buildCores: 0,
  useSubstitutes: true,
  overrides: [],
};
