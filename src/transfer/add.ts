// Files of this machine as store objects: the content address, the path that follows from it, and the way into a store.

import { createHash } from 'node:crypto';
import { NarrowError } from '../errors.ts';
import { packNar } from '../format/nar/pack.ts';
import type { SyncFileTree } from '../format/nar/tree.ts';
import type { ContentAddress } from '../model/content-address.ts';
import { contentAddressedPath } from '../model/content-address.ts';
import type { HashAlgo } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import { sortedUnique } from '../model/path-info.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { storeNameFault } from '../model/store-path.ts';
import type { Outcome, WritableStore } from '../store/store.ts';

export interface AddRequest {
  readonly name: string;
  readonly method: 'nar' | 'flat' | 'text';
  readonly algo: HashAlgo;
  /** What the contents refer to; only texts and NARs by sha256 may. */
  readonly references: readonly StorePath[];
}

/** A tree as a store object: what is known of it, and what of the tree counts. */
export interface Addition {
  readonly info: PathInfo;
  readonly tree: SyncFileTree;
}

/**
 * Reads all of `tree` and computes what it would be in a store with `storeDir`. Throws `usage` for names and combinations
 * that Nix has no path for, and when a directory or link is to be a flat file.
 */
export function describeTree(
  storeDir: StoreDir,
  tree: SyncFileTree,
  request: AddRequest,
  signal?: AbortSignal,
): Addition {
  const { name, method, algo } = request;
  const fault = storeNameFault(name);
  if (fault)
    throw new NarrowError('usage', `'${name}' cannot be the name of a store path: ${fault}`, {
      hint: 'choose another with --name',
    });
  if (method === 'text' && algo !== 'sha256')
    throw new NarrowError('usage', `texts are hashed with sha256, not ${algo}`);
  if (method !== 'nar') expectFile(tree, name);
  const { narDigest, narSize, otherDigest } = hashNar(tree, method === 'nar' ? algo : 'sha256', signal);
  const bytes = method === 'nar' ? otherDigest : hashFile(tree, algo, signal);
  const ca: ContentAddress = { method, hash: { algo, bytes } };
  const references = sortedUnique(request.references);
  const path = contentAddressedPath(storeDir, ca, name, { others: references, self: false });
  const narHash = { algo: 'sha256', bytes: narDigest } as const;
  return { info: { path, narHash, narSize, references, signatures: [], ca }, tree };
}

function expectFile(tree: SyncFileTree, name: string): void {
  const type = tree.stat([])?.type;
  if (type === 'regular') return;
  throw new NarrowError('usage', `${name} is a ${type}: only regular files have an address by their contents alone`, {
    hint: 'leave --flat and --text out',
  });
}

function hashNar(
  tree: SyncFileTree,
  algo: HashAlgo,
  signal: AbortSignal | undefined,
): { narDigest: Buffer; narSize: number; otherDigest: Buffer } {
  const nar = createHash('sha256');
  const other = algo === 'sha256' ? undefined : createHash(algo);
  let narSize = 0;
  for (const chunk of packNar(tree) as Iterable<Uint8Array>) {
    signal?.throwIfAborted();
    nar.update(chunk);
    other?.update(chunk);
    narSize += chunk.length;
  }
  const narDigest = nar.digest();
  return { narDigest, narSize, otherDigest: other?.digest() ?? narDigest };
}

function hashFile(tree: SyncFileTree, algo: HashAlgo, signal: AbortSignal | undefined): Buffer {
  const hash = createHash(algo);
  for (const chunk of tree.read([])) {
    signal?.throwIfAborted();
    hash.update(chunk);
  }
  return hash.digest();
}

/**
 * Adds the object. The tree is read again, and has to be what it was. Needs no signature: the path proves itself. Throws
 * what kept it from being added.
 */
export async function addTree(store: WritableStore, { info, tree }: Addition, signal?: AbortSignal): Promise<Outcome> {
  await using _hold = await store.hold([info.path, ...info.references]);
  const open = async (): Promise<{
    encoding: string;
    size: number;
    bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  }> => ({
    encoding: 'none',
    size: info.narSize,
    bytes: packNar(tree),
  });
  const items = (async function* () {
    yield { info, open };
  })();
  let last: Outcome | undefined;
  for await (const outcome of store.add(items, { signal })) last = outcome;
  if (last && 'error' in last) throw last.error;
  if (!last) throw new NarrowError('io', `${store.url} did not say what became of ${info.path}`);
  return last;
}
