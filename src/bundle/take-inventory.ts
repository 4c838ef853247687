// Asks a store what it has, for an inventory.

import { walkClosure } from '../closure/walk.ts';
import { BaseClosure } from '../delta/base-closure.ts';
import { packingTools } from '../delta/recompress/member.ts';
import { NarrowError } from '../errors.ts';
import type { PathInfo } from '../model/path-info.ts';
import { formatPublicKey } from '../model/signature.ts';
import type { TrustedKeys } from '../model/signature.ts';
import type { StorePath } from '../model/store-path.ts';
import { isInspectable } from '../store/facts.ts';
import { presentSystem } from '../store/present-system.ts';
import { isListed } from '../store/store.ts';
import type { Store } from '../store/store.ts';
import type { Inventory, InventoryFacts } from './inventory.ts';

export interface InventoryRequest {
  readonly store: Store;
  /** Only these and what they refer to; all that is valid if there are none. */
  readonly paths: readonly StorePath[];
  /** Those of this machine: told where the store is on it. */
  readonly trustedKeys: TrustedKeys;
  readonly signal?: AbortSignal | undefined;
}

/** Throws `missing` for paths that are not there, `unsupported` when the store cannot tell what it has. */
export async function takeInventory(request: InventoryRequest): Promise<Inventory> {
  const infos = await infosOf(request);
  return { facts: await factsOf(request), closure: new BaseClosure(infos.values()) };
}

async function infosOf({ store, paths, signal }: InventoryRequest): Promise<ReadonlyMap<StorePath, PathInfo>> {
  if (paths.length === 0) return store.pathInfos(await everyPath(store, signal), { signal });
  const { infos } = await walkClosure((asked) => store.pathInfos(asked, { signal }), paths);
  const missing = paths.filter((path) => !infos.has(path));
  if (missing.length === 0) return infos;
  throw new NarrowError('missing', `${store.url} does not have ${missing.join(', ')}`, { data: { missing } });
}

async function everyPath(store: Store, signal: AbortSignal | undefined): Promise<readonly StorePath[]> {
  if (isListed(store)) return store.allPaths({ signal });
  throw new NarrowError('unsupported', `${store.url} cannot tell all that it has`, {
    hint: 'name the paths whose closures it has: narrow inventory --store URL PATH…',
  });
}

async function factsOf({ store, trustedKeys, signal }: InventoryRequest): Promise<InventoryFacts> {
  const told = isInspectable(store) ? await store.inspect({ signal }) : undefined;
  // the keys and tools of this machine are those of no other
  const here = store.abilities.nearby === true;
  return {
    storeDir: store.storeDir,
    stores: [store.url],
    made: Date.now(),
    trustedKeys: here ? trustedKeys.keys().map(formatPublicKey) : undefined,
    requireSignatures: told?.signatures?.required,
    free: told?.space?.free,
    system: here ? `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-${process.platform}` : undefined,
    tools: here ? packingTools() : undefined,
  };
}

/** The system that the machine runs; where there is none, what nothing else of the inventory refers to. */
export async function rootsOf(store: Store, { closure }: Inventory): Promise<readonly StorePath[]> {
  const system = await presentSystem(store);
  if (system !== undefined && closure.numberOf(system) >= 0) return [system];
  return topsOf(closure);
}

/** Paths that no other refers to. */
export function topsOf({ infos, references }: BaseClosure): StorePath[] {
  const needed = new Set(references.flatMap((numbers, from) => numbers.filter((number) => number !== from)));
  return infos.flatMap(({ path }, number) => (needed.has(number) ? [] : [path]));
}
