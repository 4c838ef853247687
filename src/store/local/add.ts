// Adding: several paths at once are unpacked, each under its lock and a temporary root, and registered after their references.

import { NarrowError, isNarrowError } from '../../errors.ts';
import { descriptorLimit } from '../../fs/descriptors.ts';
import { DeletedLock } from '../../fs/lock.ts';
import { formatHash } from '../../model/hash.ts';
import { isDerivationPath, printStorePath } from '../../model/store-path.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { AddOptions, Item, Outcome } from '../store.ts';
import type { Database } from './database.ts';
import { Derivations } from './derivations.ts';
import { replaceObject, takeBack } from './object.ts';
import type { Queries } from './queries.ts';
import { Registrar } from './registrar.ts';
import type { RootsHandle } from './temp-roots.ts';
import { pathRefusal, realisationRefusal } from '../trust.ts';
import type { TrustPolicy } from '../trust.ts';
import { difference } from '../verdict.ts';
import { UnpackPool, poolSize } from './unpack-pool.ts';

export interface AddContext {
  readonly storeDir: StoreDir;
  readonly realDir: string;
  readonly database: Database;
  readonly queries: Queries;
  readonly roots: RootsHandle;
  readonly policy: TrustPolicy;
  readonly optimise: boolean;
  readonly warn: (text: string) => void;
}

/** Pipelines at once, at least: decoding and reading happen beside the unpacking, which is synchronous. */
const PIPELINES = 4;
/** Most paths that are held locked at once, each with a descriptor, until their references are registered. */
const MOST_HELD = 200;
/** Descriptors that are left for everything else. */
const RESERVED_DESCRIPTORS = 44;

/** How many paths may be held: half of the descriptors that this process may have. */
export function heldPaths(): number {
  const spare = descriptorLimit() - RESERVED_DESCRIPTORS;
  return Math.max(PIPELINES, Math.min(MOST_HELD, Math.floor(spare / 2)));
}

type Result = { readonly ok: true } | { readonly ok: false; readonly error: Error };

/** One call of `add`. */
export class Adder implements AsyncDisposable {
  /** How many items may be unpacked at once. */
  readonly pipelines: number;
  readonly #context: AddContext;
  readonly #options: AddOptions;
  readonly #signal: AbortSignal;
  readonly #registrar: Registrar;
  readonly #derivations: Derivations;
  readonly #pool = new UnpackPool(poolSize(descriptorLimit()));
  /** What became of each path so far; `ok` as soon as it stands in the queue of the one writer. */
  readonly #ready = new Map<StorePath, Promise<Result>>();
  /** A full disk fails all that follows as well: nothing more is begun. */
  #fatal: Error | undefined;

  constructor(context: AddContext, options: AddOptions, signal: AbortSignal) {
    this.#context = context;
    this.#options = options;
    this.#signal = signal;
    this.#registrar = new Registrar(context.database, context.storeDir);
    this.#derivations = new Derivations(context.storeDir, context.realDir);
    this.pipelines = Math.max(PIPELINES, this.#pool.jobs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }

  /** Adds one item; `unpacked` is called when it needs no pipeline any more. Throws only when aborted. */
  async add(item: Item, unpacked: () => void): Promise<Outcome> {
    const { path } = item.info;
    const ready = Promise.withResolvers<Result>();
    this.#ready.set(path, ready.promise);
    try {
      const outcome = await this.#add(item, unpacked, () => ready.resolve({ ok: true }));
      ready.resolve({ ok: true });
      return outcome;
    } catch (error) {
      ready.resolve({ ok: false, error: error as Error });
      this.#signal.throwIfAborted();
      if (!(error instanceof Error)) throw error;
      if (isNarrowError(error, 'io') && ['ENOSPC', 'EDQUOT'].includes(String(error.data['errno'])))
        this.#fatal ??= error;
      const status = isNarrowError(error, 'differs')
        ? 'differs'
        : isNarrowError(error, 'refused')
          ? 'refused'
          : 'failed';
      return { status, path, bytes: 0, error };
    }
  }

  async #add(item: Item, unpacked: () => void, queued: () => void): Promise<Outcome> {
    const { info } = item;
    const { storeDir, realDir, roots, warn } = this.#context;
    this.#expectRoom();
    this.#expectTrusted(item);
    await this.#expectReferences(info);
    const full = [info.path, ...info.references].map((path) => printStorePath(storeDir, path));
    await roots.add(full, { signal: this.#signal, warn });
    using lock = await DeletedLock.acquire(`${realDir}/${info.path}.lock`, {
      signal: this.#signal,
      onWait: () => warn(`waiting for the lock on ${realDir}/${info.path}`),
    });
    void lock;
    this.#expectRoom();
    const known = await this.#known(info);
    const realisations = item.realisations ?? [];
    if (known && !this.#options.repair) {
      if (realisations.length > 0) await this.#registrar.register({ realisations });
      return { status: 'valid', path: info.path, bytes: 0 };
    }
    // Awaited, or the lock would end before the work does.
    return await this.#unpack(item, known, unpacked, queued);
  }

  async #unpack(item: Item, known: PathInfo | undefined, unpacked: () => void, queued: () => void): Promise<Outcome> {
    const { info } = item;
    const { realDir, optimise } = this.#context;
    const { onBytes } = this.#options;
    const options = {
      realDir,
      optimise,
      signal: this.#signal,
      onBytes: onBytes && ((bytes: number) => onBytes(info.path, bytes)),
    };
    const { narSize } = await (known ? replaceObject(item, options) : this.#pool.unpack(item, options));
    unpacked();
    try {
      await this.#referencesReady(info);
      const outputs = isDerivationPath(info.path) ? await this.#derivations.outputs(info.path) : undefined;
      this.#signal.throwIfAborted();
      // A repaired path keeps its row, with the signatures it has.
      const registration = known ? undefined : { info, outputs };
      const done = this.#registrar.register({ registration, realisations: item.realisations ?? [] });
      queued();
      await done;
    } catch (error) {
      if (!known) takeBack(`${realDir}/${info.path}`);
      throw error;
    }
    return { status: 'added', path: info.path, bytes: narSize };
  }

  #expectRoom(): void {
    if (this.#fatal) throw this.#fatal;
  }

  #expectTrusted({ info, realisations = [] }: Item): void {
    const { policy } = this.#context;
    const checkSignatures = this.#options.checkSignatures ?? true;
    const refusal = pathRefusal(policy, info, checkSignatures);
    if (refusal) throw refusal;
    for (const realisation of realisations) {
      const fault = realisationRefusal(policy, info, realisation, checkSignatures);
      if (fault) throw fault;
    }
  }

  /** Throws unless each reference is valid or on its way. */
  async #expectReferences(info: PathInfo): Promise<void> {
    const others = info.references.filter((path) => path !== info.path && !this.#ready.has(path));
    if (others.length === 0) return;
    const { database, queries } = this.#context;
    const valid = (await database.read((db) => queries.valid(db, others), { signal: this.#signal })) ?? new Set();
    const missing = others.filter((path) => !valid.has(path));
    if (missing.length === 0) return;
    throw new NarrowError('missing', `${info.path} refers to ${missing.join(', ')}, which the store does not have`, {
      data: { path: info.path, missing },
      hint: 'copy its whole closure',
    });
  }

  /** Waits until each reference is in the writer's queue before us. */
  async #referencesReady(info: PathInfo): Promise<void> {
    for (const reference of info.references) {
      const result = reference === info.path ? undefined : await this.#ready.get(reference);
      if (!result || result.ok) continue;
      const why = result.error.message;
      throw new NarrowError(
        'missing',
        `${info.path} was not added because its reference ${reference} was not: ${why}`,
        {
          cause: result.error,
          data: { path: info.path, missing: [reference] },
        },
      );
    }
  }

  /** The info of the path when it is valid and the same object. Throws `differs`. */
  async #known(info: PathInfo): Promise<PathInfo | undefined> {
    const { database, queries } = this.#context;
    const found = await database.read((db) => queries.infos(db, [info.path]), { signal: this.#signal });
    const there = found?.get(info.path);
    const fault = there && difference(there, info);
    if (fault === undefined) return there;
    throw new NarrowError('differs', fault, {
      data: { path: info.path, here: formatHash(there!.narHash), offered: formatHash(info.narHash) },
    });
  }
}
