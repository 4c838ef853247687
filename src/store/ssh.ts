// `ssh://[user@]host[:port]`: another machine's store through `nix-store --serve --write` there, which every Nix since 2.1
// speaks. Questions travel together, and adds are queued without waiting. What the serve protocol does not have
// (signatures of valid paths, realisations) is said, not dropped.

import { NarrowError } from '../errors.ts';
import type { FileTree } from '../format/nar/tree.ts';
import type { Hash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { Realisation } from '../model/realisation.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { ServeClient } from '../protocol/serve/client.ts';
import type { Greeted } from '../protocol/serve/client.ts';
import { serveOperations as ops } from '../protocol/serve/operations.ts';
import { SpooledTrees } from './cache/spooled-trees.ts';
import type { BuildOutcome, BuildRequestOptions, BuildTarget, BuildingStore } from './building.ts';
import type { InspectOptions, StoreFacts } from './facts.ts';
import type { HostedStore, Machine } from './machine.ts';
import { verdictOn } from './verdict.ts';
import { buildOverServe, failOnAbort } from './remote/build.ts';
import type { RemoteContext } from './remote/context.ts';
import { remoteStoreDir } from './remote/context.ts';
import { Fetcher } from './remote/fetcher.ts';
import type { HostFacts } from './remote/host-facts.ts';
import { hostFacts, worthAskingHost } from './remote/host-facts.ts';
import { outcomesOf } from './remote/outcomes.ts';
import { mayBeRealised, readDrvNar, surelyRealised } from './remote/realisations.ts';
import { RemoteRoots } from './remote/remote-roots.ts';
import { allPathsOf } from './remote/all-paths.ts';
import { addOverServe, realisationsRefusal } from './remote/serve-add.ts';
import type { SshPlace } from './remote/ssh-connection.ts';
import { explainGreeting, siblingProgram, sshPlace } from './remote/ssh-connection.ts';
import { sshMachine } from './remote/ssh-machine.ts';
import { serveSubstituteWords, substituteOverServe } from './remote/substitutes.ts';
import type { SubstituteOptions, SubstitutingStore } from './substituting.ts';
import type {
  Abilities,
  AddOptions,
  Item,
  ListedStore,
  OpenNar,
  OpenOptions,
  Outcome,
  QueryOptions,
  RootedStore,
  Verdict,
} from './store.ts';

/** Opens the store; parameters as in Nix. Throws `usage`, `refused`. The host is reached at the first question. */
export async function openSshStore(place: string, params: URLSearchParams, context: RemoteContext): Promise<SshStore> {
  const lines: Lines = { show: context.warn };
  const watched = { ...context, warn: (text: string) => lines.show(text) };
  return new SshStore(sshPlace('ssh', place, params, watched, 'nix-store'), remoteStoreDir(params), context, lines);
}

/** Where the other side's standard error goes: warnings, until something is built there. */
interface Lines {
  show: (line: string) => void;
}

export class SshStore implements BuildingStore, HostedStore, ListedStore, RootedStore, SubstitutingStore {
  readonly url: string;
  readonly storeDir: StoreDir;
  /** Whoever names a host to copy from trusts it, as nix-copy-closure has it. */
  readonly abilities: Abilities = { ranges: false, encodings: false, trusted: true, priority: 20 };
  readonly tellsOutputs = false;
  readonly tellsProgress = false;
  readonly machine: Machine | undefined;
  readonly place: SshPlace;
  readonly #context: RemoteContext;
  readonly #lines: Lines;
  readonly #roots: RemoteRoots;
  readonly #fetcher: Fetcher;
  readonly #trees = new SpooledTrees();
  readonly #held = new Set<StorePath>();
  readonly #clients = new Set<ServeClient>();
  #main: ServeClient | undefined;
  /** Infos that were asked for ahead, and references that the next question of a walk will name. */
  readonly #ahead = new Map<StorePath, PathInfo>();
  readonly #referenced = new Set<StorePath>();
  /** What else is in the closure of the roots that were asked for. */
  #coming: readonly StorePath[] = [];
  /** Paths that were not there when it was checked. */
  readonly #missing = new Set<StorePath>();
  #host: Promise<HostFacts> | undefined;

  constructor(place: SshPlace, storeDir: StoreDir, context: RemoteContext, lines: Lines) {
    this.#lines = lines;
    this.url = place.url;
    this.storeDir = storeDir;
    this.place = place;
    this.machine = sshMachine(place);
    this.#context = context;
    this.#roots = new RemoteRoots(place, storeDir);
    let first = true;
    this.#fetcher = new Fetcher({
      maxLanes: place.maxSessions,
      openLane: async () => {
        const client = first ? this.#client() : this.#open();
        first = false;
        return {
          nar: (path) => client.dump(path),
          get broken() {
            return client.broken;
          },
        };
      },
    });
  }

  #open(options: readonly string[] = []): ServeClient {
    const { connection, program, store } = this.place;
    this.#context.signal?.throwIfAborted();
    const duplex = connection.start([...program, '--serve', '--write', ...store, ...options]);
    const client = new ServeClient(duplex, { storeDir: this.storeDir });
    this.#clients.add(client);
    return client;
  }

  /** The session that asks and adds. One that ended is replaced, and what was held is held again. */
  #client(): ServeClient {
    if (this.#main && !this.#main.broken) return this.#main;
    this.#main = this.#open();
    if (this.#held.size > 0) this.#lock(this.#main, [...this.#held]);
    return this.#main;
  }

  /** Goes on with a connection on which the server has greeted already. */
  adopt(greeted: Greeted): void {
    this.#main = new ServeClient(greeted, { storeDir: this.storeDir });
    this.#clients.add(this.#main);
    if (this.#held.size > 0) this.#lock(this.#main, [...this.#held]);
  }

  #lock(client: ServeClient, paths: readonly StorePath[]): void {
    // what goes wrong shows itself to the next question
    client.call(ops.queryValidPaths, { lock: true, substitute: false, paths }).catch(() => {});
  }

  async #ask<T>(question: (client: ServeClient) => Promise<T>): Promise<T> {
    try {
      return await question(this.#client());
    } catch (error) {
      throw explainGreeting(error, this.place.connection.host);
    }
  }

  /**
   * A walk over references is recognised by what is held before it begins, or by its second question, and answered for its
   * whole closure at once: the further questions cost nothing.
   */
  async pathInfos(paths: Iterable<StorePath>, options?: QueryOptions): Promise<Map<StorePath, PathInfo>> {
    options?.signal?.throwIfAborted();
    const wanted = [...new Set(paths)];
    const unknown = wanted.filter((path) => !this.#ahead.has(path));
    if (unknown.length > 0) {
      const walking = unknown.some((path) => this.#referenced.has(path));
      const ask = walking ? await this.#closure(unknown) : unknown;
      const answer = this.#infos(ask);
      if (!walking && unknown.every((path) => this.#held.has(path))) await this.#foresee(unknown);
      for (const info of await answer) this.#ahead.set(info.path, info);
    }
    const found = new Map<StorePath, PathInfo>();
    for (const path of wanted) {
      const info = this.#ahead.get(path);
      if (!info) continue;
      found.set(path, info);
      // told once: whoever asks again wants to know how it is then
      this.#ahead.delete(path);
      for (const reference of info.references) this.#referenced.add(reference);
    }
    return found;
  }

  #infos(paths: readonly StorePath[]): Promise<readonly PathInfo[]> {
    return this.#ask((client) => client.call(ops.queryPathInfos, { paths }));
  }

  /** Asks for the closure with the question for its roots. If one is not valid, the session ends: then nothing is known. */
  async #foresee(roots: readonly StorePath[]): Promise<void> {
    const question = this.#client().call(ops.queryClosure, { includeOutputs: false, paths: roots });
    const closure = await question.catch(() => []);
    this.#coming = closure.filter((path) => !roots.includes(path));
  }

  /** The closure of references of valid paths, which are valid. */
  async #closure(paths: readonly StorePath[]): Promise<readonly StorePath[]> {
    const coming = new Set(this.#coming);
    if (paths.every((path) => coming.has(path))) {
      this.#coming = [];
      return [...coming];
    }
    const certain = paths.filter((path) => this.#referenced.has(path));
    const closure = await this.#ask((client) =>
      client.call(ops.queryClosure, { includeOutputs: false, paths: certain }),
    );
    return [...new Set([...paths, ...closure])].filter((path) => !this.#ahead.has(path));
  }

  pathByHashPart(): Promise<StorePath | undefined> {
    const why = `${this.url} cannot look up a path by its hash part: the serve protocol has no such question`;
    return Promise.reject(new NarrowError('unsupported', why, { hint: 'write the whole path, or use ssh-ng://' }));
  }

  expect(infos: readonly PathInfo[]): void {
    this.#fetcher.expect(infos);
  }

  async open(info: PathInfo, { signal }: OpenOptions = {}): Promise<OpenNar> {
    const bytes = this.#fetcher.fetch(info, signal);
    return { encoding: 'none', size: info.narSize || undefined, hash: info.narHash, bytes };
  }

  tree(info: PathInfo, options: QueryOptions = {}): Promise<FileTree> {
    return this.#trees.spool({ info, open: (o) => this.open(info, o) }, options.signal);
  }

  /** The server's lock flag: temporary roots that live as long as the session. What is asked later is answered later. */
  async hold(paths: Iterable<StorePath>): Promise<AsyncDisposable> {
    const fresh = [...new Set(paths)].filter((path) => !this.#held.has(path));
    const client = this.#client();
    for (const path of fresh) this.#held.add(path);
    if (fresh.length > 0) this.#lock(client, fresh);
    return { async [Symbol.asyncDispose]() {} };
  }

  /** The protocol cannot tell them: throws `unsupported` where there must be some, that is, for floating outputs. */
  async realisations(paths: readonly PathInfo[]): Promise<Realisation[]> {
    const candidates = paths.filter(mayBeRealised);
    if (candidates.length === 0) return [];
    const derivers = [...new Set(candidates.map((i) => i.deriver))];
    const valid = await this.#ask((client) =>
      client.call(ops.queryValidPaths, { lock: false, substitute: false, paths: derivers }),
    );
    const known = new Set(valid);
    const drvs = await Promise.all(
      valid.map((path) => readDrvNar(path, this.#client().dump(path).bytes, this.storeDir)),
    );
    const floating = new Set(valid.filter((_, i) => [...drvs[i]!.outputs.values()].some((o) => o.kind === 'floating')));
    const lost = candidates.find((i) => floating.has(i.deriver));
    if (lost) {
      const why = `${this.url} cannot tell the realisations of ${lost.path}, which is the output of a content-addressed derivation`;
      throw new NarrowError('unsupported', why, {
        hint: `use ssh-ng://${this.url.slice('ssh://'.length)}`,
        data: { path: lost.path },
      });
    }
    const unknown = surelyRealised(candidates.filter((i) => !known.has(i.deriver)));
    if (unknown.length > 0) {
      this.#context.warn(
        `${this.url} cannot tell the realisation of ${unknown[0]!.path} (${unknown.length} such paths); ssh-ng:// may`,
      );
    }
    return [];
  }

  /** The greeting tells the protocol's version and nothing else; the machine is asked beside it. */
  async inspect(options: InspectOptions = {}): Promise<StoreFacts> {
    const { version } = await this.#ask((client) => client.ready);
    const facts = { kind: 'store over ssh', version: `serve protocol 2.${version}` };
    // an ordinary user's paths go through the daemon there
    const worth =
      worthAskingHost(options) || (options.copy?.unsigned && this.place.connection.resolve().user !== 'root');
    if (!worth) return facts;
    const { signatures, ...there } = await (this.#host ??= hostFacts(this.place, this.storeDir));
    // the server vouches for what it is sent, where it may
    const required = signatures?.required === true && there.trust !== 'trusted';
    return { ...facts, ...there, signatures: signatures && { ...signatures, required } };
  }

  async check(infos: readonly PathInfo[], options: AddOptions = {}): Promise<Map<StorePath, Verdict>> {
    options.signal?.throwIfAborted();
    const known = new Map((await this.#infos(infos.map((i) => i.path))).map((info) => [info.path, info]));
    for (const { path } of infos) {
      if (known.has(path)) this.#missing.delete(path);
      else this.#missing.add(path);
    }
    const policy = { storeDir: this.storeDir, trustedKeys: this.#context.trustedKeys, requireSignatures: false };
    return new Map(
      infos.map((info) => {
        const verdict = verdictOn(policy, known.get(info.path), info, false);
        // signatures of valid paths cannot be sent
        return [info.path, verdict.status === 'valid' ? { ...verdict, newSignatures: [] } : verdict];
      }),
    );
  }

  realisationsRefusal(info: PathInfo, realisations: readonly Realisation[]): NarrowError | undefined {
    return realisationsRefusal(this, info, realisations);
  }

  add(items: AsyncIterable<Item>, options: AddOptions = {}): AsyncIterable<Outcome> {
    const { url, storeDir } = this;
    const { warn } = this.#context;
    const sessions = [() => this.#client(), ...this.#further()];
    const infos = (paths: readonly StorePath[]): Promise<readonly PathInfo[]> => this.#infos(paths);
    return outcomesOf(async (tell, signal) => {
      const hear = (outcome: Outcome): void => {
        this.#missing.delete(outcome.path);
        tell(outcome);
      };
      try {
        const place = { url, storeDir, warn, sessions, infos, missing: this.#missing };
        await addOverServe(place, items, { ...options, signal }, hear);
      } catch (error) {
        throw explainGreeting(error, this.place.connection.host);
      }
    }, options.signal);
  }

  /** Sessions beside the asking one, each opened when it is needed, and again when it has ended. */
  #further(): (() => ServeClient)[] {
    return Array.from({ length: this.place.maxSessions - 1 }, () => {
      let session: ServeClient | undefined;
      return () => (session = session && !session.broken ? session : this.#open());
    });
  }

  addSignatures(path: StorePath, _narHash: Hash, _signatures: readonly string[]): Promise<void> {
    const why = `${this.url} cannot take a signature for ${path}, which it has: the serve protocol has no such request`;
    return Promise.reject(new NarrowError('unsupported', why, { hint: 'use ssh-ng://' }));
  }

  /** The log comes on the other side's standard error, some of it later than the answer. */
  async buildPaths(targets: readonly BuildTarget[], options: BuildRequestOptions = {}): Promise<BuildOutcome[]> {
    const { onLog, signal } = options;
    if (onLog) this.#lines.show = onLog;
    const client = this.#client();
    using _stop = failOnAbort(client, signal);
    return await this.#ask(() => buildOverServe(client, this.storeDir, targets));
  }

  /** The server builds without substituters, but asks them when it is told to. */
  async substitute(paths: readonly StorePath[]): Promise<ReadonlySet<StorePath>> {
    const question = { lock: true, substitute: true, paths };
    return new Set(await this.#ask((client) => client.call(ops.queryValidPaths, question)));
  }

  /** The protocol has no such question. */
  substitutable(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async fetchSubstitutes(paths: readonly StorePath[], options: SubstituteOptions = {}): Promise<void> {
    const { onLine = this.#context.warn, signal } = options;
    const shown = this.#lines.show;
    this.#lines.show = onLine;
    try {
      await substituteOverServe(this.#open(serveSubstituteWords), paths, signal);
    } finally {
      this.#lines.show = shown;
    }
  }

  renew(): void {
    this.#main = undefined;
    this.#missing.clear();
  }

  /** Asked of the daemon's protocol there: the serve protocol cannot. */
  allPaths(): Promise<readonly StorePath[]> {
    const { connection, store } = this.place;
    const program = siblingProgram(this.place, 'nix-daemon');
    return allPathsOf(connection.start([...program, ...store, '--stdio']), this.storeDir);
  }

  expectRoot(link: string, path?: StorePath): void {
    this.#roots.expect(link, path);
  }

  addRoot(link: string, path: StorePath): Promise<void> {
    return this.#roots.addRoot(link, path);
  }

  async setProfile(profile: string, path: StorePath): Promise<undefined> {
    await this.#roots.setProfile(profile, path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#clients].map((client) => client[Symbol.asyncDispose]()));
    await this.#trees[Symbol.asyncDispose]();
    this.place.connection[Symbol.dispose]();
  }
}
