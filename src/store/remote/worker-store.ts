// A store behind a Nix daemon, however it is reached. One connection asks, adds and holds temporary roots for the life of
// the store; NARs are fetched over others, since one connection does one thing at a time.

import { NarrowError, isNarrowError } from '../../errors.ts';
import type { FileTree } from '../../format/nar/tree.ts';
import { equalHash, formatHash } from '../../model/hash.ts';
import type { Hash } from '../../model/hash.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { Realisation } from '../../model/realisation.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { isHashPart } from '../../model/store-path.ts';
import type { WorkerClient } from '../../protocol/worker/client.ts';
import type { Trust } from '../../protocol/worker/handshake.ts';
import { workerOperations as ops } from '../../protocol/worker/operations.ts';
import { SpooledTrees } from '../cache/spooled-trees.ts';
import { verdictOn } from '../verdict.ts';
import type { SubstituteOptions, SubstitutingStore } from '../substituting.ts';
import type { BuildOutcome, BuildRequestOptions, BuildTarget, BuildingStore } from '../building.ts';
import type { InspectOptions, StoreFacts } from '../facts.ts';
import type {
  Abilities,
  AddOptions,
  Item,
  ListedStore,
  OpenNar,
  OpenOptions,
  Outcome,
  QueryOptions,
  Verdict,
} from '../store.ts';
import { buildMessages, buildOverWorker, failOnAbort } from './build.ts';
import { Fetcher } from './fetcher.ts';
import { showMessages } from './log.ts';
import { outcomesOf } from './outcomes.ts';
import { daemonRealisations } from './realisations.ts';
import {
  substitutableOverWorker,
  substituteMessages,
  substituteOverWorker,
  workerSubstituteSettings,
} from './substitutes.ts';
import type { ClosureHint } from './walk-ahead.ts';
import { WalkAhead } from './walk-ahead.ts';
import { addOverWorker } from './worker-add.ts';
import type { ConnectionsOptions } from './worker-connections.ts';
import { WorkerConnections } from './worker-connections.ts';

export interface WorkerStoreOptions extends ConnectionsOptions {
  readonly abilities: Abilities;
  /** Another way to ask for a closure than the daemon's protocol, which has none. */
  readonly closure?: ClosureHint | undefined;
  /** Connections for NARs. */
  readonly maxLanes: number;
  /** Fetch over the asking connection while there is no other need: where another costs a login. */
  readonly shareLane: boolean;
  /** What this machine knows of the daemon's demands; undefined when they are another machine's. */
  readonly requireSignatures: boolean | undefined;
  /** What a daemon too old to tell (before 1.35) thinks of this user. */
  readonly assumedTrust: Trust;
}

export class WorkerStore implements BuildingStore, ListedStore, SubstitutingStore {
  readonly url: string;
  readonly storeDir: StoreDir;
  readonly abilities: Abilities;
  readonly tellsOutputs: boolean = true;
  readonly tellsProgress: boolean = true;
  protected readonly options: WorkerStoreOptions;
  readonly #fetcher: Fetcher;
  readonly #trees = new SpooledTrees();
  readonly #connections: WorkerConnections;
  readonly #walk: WalkAhead;
  /** Paths that were not there when it was checked, which need not be asked about again. */
  readonly #missing = new Set<StorePath>();

  constructor(options: WorkerStoreOptions) {
    this.options = options;
    this.url = options.url;
    this.storeDir = options.storeDir;
    this.abilities = options.abilities;
    this.#connections = new WorkerConnections(options);
    this.#walk = new WalkAhead({
      hint: options.closure,
      ready: () => this.client(),
      ask: (paths) => this.#infos(paths),
      held: (path) => this.#connections.holds(path),
    });
    let shared = options.shareLane;
    this.#fetcher = new Fetcher({
      maxLanes: options.maxLanes,
      openLane: () => {
        const first = shared;
        shared = false;
        return first ? this.client() : this.#connections.open();
      },
    });
  }

  /** The connection that asks. */
  protected client(): Promise<WorkerClient> {
    return this.#connections.main();
  }

  /** Opens the connection now, for what goes wrong with it to be told early. */
  async connected(): Promise<this> {
    await this.client();
    return this;
  }

  async pathInfos(paths: Iterable<StorePath>, options?: QueryOptions): Promise<Map<StorePath, PathInfo>> {
    options?.signal?.throwIfAborted();
    return this.#walk.infos(paths);
  }

  /** Asked about one by one, without waiting for any. */
  async #infos(paths: readonly StorePath[]): Promise<PathInfo[]> {
    const client = await this.client();
    const answers = await Promise.all(paths.map((path) => client.call(ops.queryPathInfo, { path })));
    return answers.flatMap((info, i) => (info ? { path: paths[i]!, ...info } : []));
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
    this.#connections.hold(paths);
    return { async [Symbol.asyncDispose]() {} };
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
  async inspect(_?: InspectOptions): Promise<StoreFacts> {
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
    options.signal?.throwIfAborted();
    const known = new Map((await this.#infos(infos.map((i) => i.path))).map((info) => [info.path, info]));
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
    return outcomesOf(async (tell, signal) => {
      const dontCheckSignatures =
        !(options.checkSignatures ?? true) && this.trustOf(await this.client()) !== 'untrusted';
      const place = {
        url: this.url,
        client: () => this.client(),
        open: () => this.#connections.open(),
        maxLanes: this.options.shareLane ? this.options.maxLanes : 1,
        missing: this.#missing,
        infos: async (paths: readonly StorePath[]) =>
          new Map((await this.#infos(paths)).map((info) => [info.path, info])),
      };
      await addOverWorker(place, items, { ...options, signal, dontCheckSignatures }, (outcome) => {
        this.#missing.delete(outcome.path);
        tell(outcome);
      });
    }, options.signal);
  }

  async addSignatures(path: StorePath, narHash: Hash, signatures: readonly string[]): Promise<void> {
    const [here] = await this.#infos([path]);
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
    const client = await this.#connections.connect(buildMessages(onLog, others));
    using _stop = failOnAbort(client, signal);
    return await buildOverWorker(client, targets);
  }

  async substitutable(paths: readonly StorePath[]): Promise<readonly StorePath[]> {
    return substitutableOverWorker(await this.#substituting({}), this.storeDir, paths);
  }

  async fetchSubstitutes(paths: readonly StorePath[], options: SubstituteOptions = {}): Promise<void> {
    await substituteOverWorker(await this.#substituting(options), this.storeDir, paths, options.signal);
  }

  async #substituting(options: SubstituteOptions): Promise<WorkerClient> {
    const client = await this.#connections.connect(substituteMessages(options));
    await client.call(ops.setOptions, workerSubstituteSettings(this.trustOf(client) === 'trusted'));
    return client;
  }

  renew(): void {
    this.#connections.renew();
    this.#missing.clear();
  }

  async allPaths(): Promise<readonly StorePath[]> {
    return [...(await (await this.client()).call(ops.queryAllValidPaths, undefined))].sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connections[Symbol.asyncDispose]();
    await this.#trees[Symbol.asyncDispose]();
  }
}
