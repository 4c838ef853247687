// The store on this machine's disk, as Nix lays it out: objects in the store directory, infos in SQLite. Everything that Nix
// locks is locked here in the same way, so that both may work on one store at the same time. Writing is synchronous, in
// the thread that opened the store or in those that it starts for it; see docs/decisions/read-only-store.md for why.

import { existsSync } from 'node:fs';
import { NarrowError, isNarrowError } from '../errors.ts';
import { localTree } from '../fs/tree.ts';
import { packNar } from '../format/nar/pack.ts';
import type { FileTree } from '../format/nar/tree.ts';
import type { Hash } from '../model/hash.ts';
import { formatHash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import { sortedUnique } from '../model/path-info.ts';
import type { Realisation } from '../model/realisation.ts';
import type { TrustedKeys } from '../model/signature.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { isHashPart, printStorePath } from '../model/store-path.ts';
import type { StoreFacts } from './facts.ts';
import { Adder } from './local/add.ts';
import { Database } from './local/database.ts';
import type { LocalDirectories } from './local/directories.ts';
import { isReadOnly, localDirectories } from './local/directories.ts';
import { localFacts } from './local/facts.ts';
import { expectLinkable, makeRoot } from './local/links.ts';
import { runPipelines } from './local/pipeline.ts';
import { prepareState } from './local/prepare.ts';
import { setGeneration } from './local/profile.ts';
import { Queries } from './local/queries.ts';
import { readRealisations } from './local/realisations.ts';
import { registerSignatures } from './local/register.ts';
import { RootsHandle } from './local/temp-roots.ts';
import type { TrustPolicy } from './trust.ts';
import { verdictOn } from './verdict.ts';
import { ensureWritable } from './local/writable.ts';
import type {
  Abilities,
  AddOptions,
  Item,
  OpenNar,
  OpenOptions,
  Outcome,
  QueryOptions,
  RootedStore,
  Verdict,
} from './store.ts';

/** What opening a local store needs to know of the user's settings. */
export interface LocalContext {
  readonly settings: { flag(key: string): boolean | undefined };
  readonly trustedKeys: TrustedKeys;
  readonly warn: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens `local`; `params` are those of its URL: root, store, state, log, real, read-only, require-sigs. Nothing is made,
 * locked or written before something is added. Throws `usage`, and `unsupported` for a database of another version.
 */
export async function openLocalStore(
  params: URLSearchParams,
  context: LocalContext,
  mode: 'read' | 'write' = 'read',
): Promise<LocalStore> {
  const directories = localDirectories(params);
  const store = new LocalStore(directories, {
    ...context,
    readOnly: isReadOnly(params),
    requireSignatures: requireSignatures(params, context),
  });
  try {
    if (mode === 'read') store.expectReadable();
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
  return store;
}

function requireSignatures(params: URLSearchParams, { settings }: LocalContext): boolean {
  const value = params.get('require-sigs');
  return value === null ? (settings.flag('require-sigs') ?? true) : value === 'true' || value === '1';
}

interface LocalOptions extends LocalContext {
  readonly readOnly: boolean;
  readonly requireSignatures: boolean;
}

export class LocalStore implements RootedStore {
  readonly url: string;
  readonly storeDir: StoreDir;
  readonly directories: LocalDirectories;
  readonly abilities: Abilities = { ranges: false, encodings: false, trusted: false, nearby: true, priority: 0 };
  readonly #options: LocalOptions;
  readonly #database: Database;
  readonly #queries: Queries;
  readonly #policy: TrustPolicy;
  /** Roots of what was added, for as long as the store is open. */
  #roots: RootsHandle | undefined;
  /** Calls of `add` that run. */
  #adding = 0;

  constructor(directories: LocalDirectories, options: LocalOptions) {
    this.url = directories.url;
    this.storeDir = directories.storeDir;
    this.directories = directories;
    this.#options = options;
    const { readOnly, warn, trustedKeys } = options;
    this.#database = new Database({ stateDir: directories.stateDir, readOnly, warn });
    this.#queries = new Queries(this.storeDir);
    this.#policy = { storeDir: this.storeDir, trustedKeys, requireSignatures: options.requireSignatures };
  }

  /** Throws what keeps the store from being read: a schema of another version, a damaged database. */
  expectReadable(): void {
    if (this.#database.exists()) return;
    throw new NarrowError(
      'missing',
      `there is no store at ${this.url}: ${this.directories.stateDir}/db/db.sqlite does not exist`,
      {
        data: { stateDir: this.directories.stateDir },
        hint: 'is there a Nix on this machine? another store is named by --store, or --from of narrow copy',
      },
    );
  }

  async pathInfos(paths: Iterable<StorePath>, options?: QueryOptions): Promise<Map<StorePath, PathInfo>> {
    return (
      (await this.#database.read((db) => this.#queries.infos(db, paths), options)) ?? new Map<StorePath, PathInfo>()
    );
  }

  /** Infos of paths and of all they refer to, in one question; those that are not valid are absent. No order. */
  async closureInfos(paths: Iterable<StorePath>, options?: QueryOptions): Promise<Map<StorePath, PathInfo>> {
    return (
      (await this.#database.read((db) => this.#queries.closure(db, paths), options)) ?? new Map<StorePath, PathInfo>()
    );
  }

  /** Every valid path, sorted. */
  async allPaths(options?: QueryOptions): Promise<StorePath[]> {
    return (await this.#database.read((db) => this.#queries.allPaths(db), options)) ?? [];
  }

  async pathByHashPart(hashPart: string, options?: QueryOptions): Promise<StorePath | undefined> {
    if (!isHashPart(hashPart)) return undefined;
    return this.#database.read((db) => this.#queries.byHashPart(db, hashPart), options);
  }

  async open(info: PathInfo, { buffers }: OpenOptions = {}): Promise<OpenNar> {
    return {
      encoding: 'none',
      size: info.narSize || undefined,
      hash: info.narHash,
      bytes: packNar(localTree(this.#realPath(info.path)), [], buffers),
      packed: true,
    };
  }

  async tree(info: PathInfo): Promise<FileTree> {
    return localTree(this.#realPath(info.path));
  }

  /**
   * Temporary roots. Where there is no store yet nothing can be collected; where this user may not write them (an ordinary
   * user beside a daemon) nothing is held, and what is read must be kept by another root.
   */
  /** See facts.ts; asks the file system only. */
  async inspect(): Promise<StoreFacts> {
    const { readOnly, requireSignatures, trustedKeys } = this.#options;
    return localFacts(this.directories, { readOnly, requireSignatures, trustedKeys: trustedKeys.names() });
  }

  async hold(paths: Iterable<StorePath>): Promise<AsyncDisposable> {
    const { stateDir } = this.directories;
    const handle = new RootsHandle(stateDir);
    const release: AsyncDisposable = {
      async [Symbol.asyncDispose]() {
        handle[Symbol.dispose]();
      },
    };
    if (this.#options.readOnly || !existsSync(`${stateDir}/db`)) return release;
    try {
      await handle.add(
        Array.from(paths, (path) => printStorePath(this.storeDir, path)),
        this.#options,
      );
    } catch (error) {
      if (!isNarrowError(error, 'io') || !['EACCES', 'EPERM', 'EROFS'].includes(String(error.data['errno']))) {
        handle[Symbol.dispose]();
        throw error;
      }
    }
    return release;
  }

  async realisations(paths: readonly PathInfo[], options?: QueryOptions): Promise<Realisation[]> {
    // Where ca-derivations is enabled Nix writes a row for input-addressed outputs, too, which says nothing new.
    const outputs = paths.filter((info) => info.ca).map((info) => info.path);
    if (outputs.length === 0) return [];
    return (await this.#database.read((db) => readRealisations(db, this.storeDir, outputs), options)) ?? [];
  }

  async check(infos: readonly PathInfo[], options: AddOptions = {}): Promise<Map<StorePath, Verdict>> {
    const known = await this.pathInfos(
      infos.map((info) => info.path),
      options,
    );
    const checkSignatures = options.checkSignatures ?? true;
    return new Map(
      infos.map((info) => [info.path, verdictOn(this.#policy, known.get(info.path), info, checkSignatures)]),
    );
  }

  async *add(items: AsyncIterable<Item>, options: AddOptions = {}): AsyncGenerator<Outcome, void, undefined> {
    await this.#prepare(options.signal);
    this.#roots ??= new RootsHandle(this.directories.stateDir);
    const abort = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, abort.signal]) : abort.signal;
    const adder = new Adder(
      {
        storeDir: this.storeDir,
        realDir: this.directories.realDir,
        database: this.#database,
        queries: this.#queries,
        roots: this.#roots,
        policy: this.#policy,
        optimise: this.#options.settings.flag('auto-optimise-store') ?? false,
        warn: this.#options.warn,
      },
      options,
      signal,
    );
    this.#adding++;
    try {
      yield* runPipelines(adder, items, abort, signal);
    } finally {
      if (--this.#adding === 0) await this.#database.release();
    }
  }

  async addSignatures(path: StorePath, narHash: Hash, signatures: readonly string[]): Promise<void> {
    await this.#database.write(
      (db) => registerSignatures(db, this.storeDir, path, formatHash(narHash, 'base16'), sortedUnique(signatures)),
      this.#options.signal,
    );
  }

  expectRoot(link: string): void {
    expectLinkable(link);
  }

  async addRoot(link: string, path: StorePath): Promise<void> {
    using held = await this.#holdValid(path);
    void held;
    makeRoot(this.directories, link, path);
  }

  async setProfile(profile: string, path: StorePath): Promise<string> {
    using held = await this.#holdValid(path);
    void held;
    const { warn, signal } = this.#options;
    return await setGeneration(this.directories, profile, path, {
      signal,
      onWait: () => warn(`waiting for the lock on profile ${profile}`),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#roots?.[Symbol.dispose]();
    this.#roots = undefined;
    this.#database[Symbol.dispose]();
  }

  #realPath(path: StorePath): string {
    return `${this.directories.realDir}/${path}`;
  }

  /** A temporary root first, then the question: what is valid now stays so until a lasting root exists. */
  async #holdValid(path: StorePath): Promise<RootsHandle> {
    const handle = new RootsHandle(this.directories.stateDir);
    try {
      await handle.add([printStorePath(this.storeDir, path)], this.#options);
      const valid = await this.#database.read((db) => this.#queries.valid(db, [path]), this.#options);
      if (valid?.has(path)) return handle;
      throw new NarrowError('missing', `${path} is not valid in ${this.url}`, { data: { path } });
    } catch (error) {
      handle[Symbol.dispose]();
      throw error;
    }
  }

  async #prepare(signal: AbortSignal | undefined): Promise<void> {
    if (this.#options.readOnly) throw new NarrowError('refused', `${this.url} was opened with read-only=true`);
    ensureWritable(this.directories.realDir);
    prepareState(this.directories);
    await this.#database.open(signal);
  }
}
