// Pushing into a static cache: a copy that leaves out what other caches sign, looks for secrets before anything leaves, and notes
// at the end, when everything is there, what was pushed and under which name.

import { NarrowError } from '../errors.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { TrustedKeys } from '../model/signature.ts';
import type { StorePath } from '../model/store-path.ts';
import { printStorePath } from '../model/store-path.ts';
import type { CacheStore } from '../store/cache/cache-store.ts';
import type { Store, WritableStore } from '../store/store.ts';
import { copyClosure } from '../transfer/copy.ts';
import type { CopyResult } from '../transfer/copy.ts';
import type { OnEvent } from '../transfer/events.ts';
import { PushedDeltas } from './deltas/pushing.ts';
import type { DeltaPlan, DeltaRules } from './deltas/pushing.ts';
import type { LaidDelta } from './deltas/lay.ts';
import { addGeneration, newestGeneration, pointToGeneration } from './generations.ts';
import type { Generation } from './record.ts';
import { addPush } from './roots.ts';
import type { SecretPattern } from './secrets/patterns.ts';
import { scanPath } from './secrets/scan.ts';
import type { FoundSecret } from './secrets/scan.ts';
import { OwnSignatures } from './own-signatures.ts';
import { noteUpstreams, signedUpstream } from './upstream.ts';

export interface PushRequest {
  readonly source: Store;
  readonly cache: CacheStore;
  /** Another way for paths into the same cache; see far-cache.ts. */
  readonly way?: WritableStore | undefined;
  readonly roots: readonly StorePath[];
  /** Makes the roots the next generation of this name. */
  readonly name?: string | undefined;
  /** Caches whose signed paths stay out. */
  readonly upstreams: readonly Store[];
  readonly trustedKeys: TrustedKeys;
  readonly secrets: SecretRules;
  /** Also lay deltas from the generations before; what a cache of deltas gets anyway. */
  readonly deltas?: DeltaRules | undefined;
  /** Told before the plan. */
  readonly onDeltas?: ((plan: DeltaPlan) => void) | undefined;
  readonly dryRun?: boolean;
  readonly onEvent?: OnEvent | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SecretRules {
  readonly patterns: readonly SecretPattern[];
  /** Paths, or files within (`<path>/etc/key`), that may have secrets. */
  readonly allowed: ReadonlySet<string>;
  /** Names of keys that this machine signs with: what only they vouch for was made here, and is looked at. */
  readonly ownKeys: ReadonlySet<string>;
}

export interface PushResult extends CopyResult {
  /** Found in a dry run; otherwise they are an error. */
  readonly secrets: readonly FoundSecret[];
  readonly generation: Generation | undefined;
  readonly deltasLaid: readonly LaidDelta[];
}

/** Throws what {@link copyClosure} throws, and `refused` when secrets were found: then nothing was written. */
export async function push(request: PushRequest): Promise<PushResult> {
  const { source, cache, way = cache, roots, upstreams, trustedKeys, dryRun, onEvent, signal } = request;
  const isRoot = new Set(roots);
  const own = new OwnSignatures(cache.params.secretKeys, cache.files.concurrency);
  const deltas = await planDeltas(request);
  let secrets: FoundSecret[] = [];
  let generation: Generation | undefined;
  let differs = false;
  const result = await copyClosure({
    source: own.source(source),
    destination: own.destination((await deltas?.destination()) ?? way),
    roots,
    dryRun: dryRun ?? false,
    elsewhere: async (missing) => {
      if (upstreams.length === 0 || deltas?.plan.alone === true) return new Set();
      onEvent?.({ type: 'phase', text: `asking ${upstreams.map(({ url }) => url).join(', ')}` });
      const rest = missing.filter(({ path }) => !isRoot.has(path));
      return signedUpstream(upstreams, rest, trustedKeys, { signal });
    },
    approve: async (plan) => {
      differs = plan.differs.length > 0;
      const missing = plan.missing.map((info) => own.given(info));
      secrets = await findSecrets(request, missing);
      if (secrets.length > 0 && !dryRun) throw secretsError(source.storeDir, secrets);
    },
    finish: async () => {
      await own.added();
      if (deltas?.plan.alone === false) await layBeside(request, deltas, differs);
      generation = await note(request);
    },
    onEvent,
    signal,
  });
  return { ...result, secrets, generation, deltasLaid: deltas?.laid ?? [] };
}

async function planDeltas(request: PushRequest): Promise<PushedDeltas | undefined> {
  const { source, cache, roots, name, deltas, onDeltas, onEvent, signal } = request;
  if (!deltas || name === undefined) return undefined;
  const planned = await PushedDeltas.plan({ source, cache, roots, name, ...deltas, onEvent, signal });
  onDeltas?.(planned.plan);
  return planned;
}

/** Beside NARs deltas are a help: without them the push is as good as before. */
async function layBeside(
  { cache, onEvent, signal }: PushRequest,
  deltas: PushedDeltas,
  differs: boolean,
): Promise<void> {
  const without = (why: string): void => onEvent?.({ type: 'warning', text: `no deltas are laid: ${why}` });
  if (differs) return without(`${cache.url} has other contents under some of the paths`);
  try {
    await deltas.lay();
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof NarrowError)) throw error;
    without(error.message);
  }
}

async function findSecrets(
  { source, trustedKeys, secrets, onEvent, signal }: PushRequest,
  missing: readonly PathInfo[],
): Promise<FoundSecret[]> {
  const { patterns, allowed, ownKeys } = secrets;
  const found: FoundSecret[] = [];
  const made = missing.filter((info) => {
    const names = trustedKeys.validSignatures(source.storeDir, info).map((text) => text.slice(0, text.indexOf(':')));
    // what lies in a cache has left already
    const isOwn = (name: string): boolean => !source.abilities.encodings && ownKeys.has(name);
    return !allowed.has(info.path) && names.every(isOwn);
  });
  for (const [index, info] of made.entries()) {
    onEvent?.({ type: 'phase', text: `looking for secrets, path ${index + 1} of ${made.length}` });
    found.push(...(await scanPath(source, info, patterns, signal)));
  }
  return found.filter(({ path, file }) => !allowed.has(`${path}/${file}`));
}

/** `private key (PEM) in /nix/store/…-etc/ssh/key, byte 0`. */
export function describeSecret(storeDir: string, { path, file, kind, offset }: FoundSecret): string {
  const within = file === '' ? '' : `/${file}`;
  return `${kind} in ${printStorePath(storeDir, path)}${within}, byte ${offset}`;
}

function secretsError(storeDir: string, secrets: readonly FoundSecret[]): NarrowError {
  const lines = secrets.slice(0, 20).map((secret) => `  ${describeSecret(storeDir, secret)}`);
  const more = secrets.length > 20 ? [`  and ${secrets.length - 20} more`] : [];
  return new NarrowError('refused', ['what would be pushed holds secrets:', ...lines, ...more].join('\n'), {
    hint: 'nothing was pushed; keep secrets out of the store, or, if this is none, name it with --allow-secret',
    data: { secrets: secrets.map((secret) => ({ ...secret, path: printStorePath(storeDir, secret.path) })) },
  });
}

/** Called while everything is held. */
async function note({ cache, roots, name, upstreams, onEvent, signal }: PushRequest): Promise<Generation | undefined> {
  const options = { signal };
  if (upstreams.length > 0)
    await noteUpstreams(
      cache,
      upstreams.map(({ url }) => url),
      options,
    );
  if (name !== undefined) return nameGeneration(cache, name, roots, options);
  try {
    await addPush(cache, roots, options);
  } catch (error) {
    if (!(error instanceof NarrowError)) throw error;
    onEvent?.({ type: 'warning', text: `when this was pushed could not be noted: ${error.message}` });
  }
  return undefined;
}

/** What is the newest generation already, with the same signatures, is not made again: a night without changes is none. */
async function nameGeneration(
  cache: CacheStore,
  name: string,
  roots: readonly StorePath[],
  options: { readonly signal: AbortSignal | undefined },
): Promise<Generation> {
  const keys = cache.params.secretKeys;
  const newest = await newestGeneration(cache, name, options);
  const signers = newest?.signatures.map((text) => text.slice(0, text.indexOf(':')));
  const same = newest?.paths.join() === roots.join() && keys.every((key) => signers?.includes(key.name));
  if (!same) return addGeneration(cache, name, roots, keys, options);
  await pointToGeneration(cache, newest, options);
  return newest;
}
