// Signing what lies in a cache, in place: narinfos get the signatures that they lack, each one written whole. What has them
// already is passed over, so a run that was cut off goes on by being started again. NARs are not read.

import { isNarrowError } from '../errors.ts';
import { hashPart } from '../model/store-path.ts';
import type { StorePath } from '../model/store-path.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { SecretKey } from '../model/signature.ts';
import type { CacheStore } from '../store/cache/cache-store.ts';
import type { FileOptions } from '../store/cache/files.ts';
import { readNarinfo } from '../store/cache/narinfo-reader.ts';
import { forEachAtOnce } from '../store/cache/slots.ts';
import { newSignatures } from '../transfer/sign.ts';
import type { NewSignatures } from '../transfer/sign.ts';
import { lackingSignatures, resignGeneration } from './generations.ts';
import { narinfoPart } from './inventory.ts';
import type { Generation } from './record.ts';
import { cannotList, readRoots } from './roots.ts';

export interface SignCacheRequest extends FileOptions {
  readonly store: CacheStore;
  readonly keys: readonly SecretKey[];
  /** Infos of what is signed; left out: everything that the cache has, generations of names as well. */
  readonly infos?: Iterable<PathInfo> | undefined;
  readonly dryRun?: boolean | undefined;
  readonly onPhase?: ((text: string) => void) | undefined;
}

export interface CacheSigned {
  /** What was signed, or would be; without what went away meanwhile. */
  readonly signed: readonly { readonly path: StorePath; readonly signatures: readonly string[] }[];
  /** Generations that were signed, or would be. */
  readonly generations: readonly Generation[];
  /** Paths that had all signatures. */
  readonly unchanged: number;
  /** Narinfos that cannot be read, or are of another path than their name says. */
  readonly damaged: readonly { readonly reference: string; readonly message: string }[];
}

/** Throws `unsupported` where everything is to be signed and files cannot be listed. */
export async function signCache(request: SignCacheRequest): Promise<CacheSigned> {
  const { store, keys, infos } = request;
  const damaged: { reference: string; message: string }[] = [];
  const lacking: Lacking[] = [];
  let seen = 0;
  const look = (info: PathInfo): void => {
    seen++;
    lacking.push(...newSignatures(store, [info], keys).map(lackingOf));
  };
  if (infos) for (const info of infos) look(info);
  else await forEveryNarinfo(request, damaged, look);
  const signed = request.dryRun === true ? lacking : await addAll(request, lacking);
  const generations = infos ? [] : await signGenerations(request);
  const unchanged = seen - lacking.length;
  return { signed: signed.map(({ path, signatures }) => ({ path, signatures })), generations, unchanged, damaged };
}

/** Without the rest of the info, which would be kept for a hundred thousand paths. */
interface Lacking extends Pick<PathInfo, 'path' | 'narHash'> {
  readonly signatures: readonly string[];
}

function lackingOf({ info: { path, narHash }, signatures }: NewSignatures): Lacking {
  return { path, narHash, signatures };
}

async function forEveryNarinfo(
  { store, onPhase, signal }: SignCacheRequest,
  damaged: { reference: string; message: string }[],
  look: (info: PathInfo) => void,
): Promise<void> {
  const { files, storeDir } = store;
  const listing = files.listAll({ signal });
  if (!listing) throw cannotList(files.url);
  onPhase?.('listing the cache');
  const parts: string[] = [];
  for await (const { reference } of listing) {
    const part = narinfoPart(reference);
    if (part !== undefined) parts.push(part);
  }
  let read = 0;
  await forEachAtOnce(parts, files.concurrency, async (part) => {
    signal?.throwIfAborted();
    if (++read % 1000 === 0) onPhase?.(`reading narinfos, ${read} of ${parts.length}`);
    const reference = `${part}.narinfo`;
    try {
      const info = await readNarinfo(files, storeDir, part, { signal });
      if (info && hashPart(info.path) === part) look(info);
      else if (info) damaged.push({ reference, message: `${files.url}/${reference} is of ${info.path}` });
    } catch (error) {
      if (!isNarrowError(error, 'format')) throw error;
      damaged.push({ reference, message: error.message });
    }
  });
}

/** A narinfo is read again once it is leased: it must not come back after a collector removed it. */
async function addAll({ store, onPhase, signal }: SignCacheRequest, lacking: readonly Lacking[]): Promise<Lacking[]> {
  if (lacking.length === 0) return [];
  await using _hold = await store.hold(lacking.map(({ path }) => path));
  const signed: Lacking[] = [];
  await forEachAtOnce(lacking, store.files.concurrency, async (one) => {
    signal?.throwIfAborted();
    try {
      await store.addSignatures(one.path, one.narHash, one.signatures);
      if (signed.push(one) % 1000 === 0) onPhase?.(`signing, ${signed.length} of ${lacking.length}`);
    } catch (error) {
      if (!isNarrowError(error, 'missing')) throw error;
    }
  });
  return signed;
}

async function signGenerations(request: SignCacheRequest): Promise<Generation[]> {
  const { store, keys, dryRun, signal } = request;
  const { names } = await readRoots(store, { signal });
  const signed: Generation[] = [];
  for (const generation of [...names.values()].flat()) {
    const signatures = lackingSignatures(store, generation, keys);
    if (signatures.length === 0) continue;
    if (dryRun !== true) await resignGeneration(store, generation, signatures, { signal });
    signed.push(generation);
  }
  return signed;
}
