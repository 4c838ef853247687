// Derivations out of any store: read as files, and held to be what their path says, since a .drv is addressed by its text.

import { collect } from '../bytes/source.ts';
import { NarrowError } from '../errors.ts';
import { maxDrvSize, parseDrv } from '../format/drv.ts';
import { contentAddressedPath } from '../model/content-address.ts';
import type { Derivation } from '../model/derivation.ts';
import { derivationName, derivationReferences } from '../model/derivation.ts';
import { hashBytes } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import { pathName, printStorePath } from '../model/store-path.ts';
import type { Store } from '../store/store.ts';
import { concurrently } from './concurrently.ts';

/** Derivations that are read at once. */
const atOnce = 16;

/** Reads the derivation `info`, which has to be in `store`. Throws `format`, `integrity`. */
export async function readDerivation(store: Store, info: PathInfo, signal?: AbortSignal): Promise<Derivation> {
  const name = derivationName(info.path);
  const tree = await store.tree(info, { signal });
  const text = await collect(tree.read([]), maxDrvSize);
  const drv = parseDrv(text, name, store.storeDir, { source: printStorePath(store.storeDir, info.path) });
  const ca = { method: 'text', hash: hashBytes(text) } as const;
  const references = { others: derivationReferences(drv), self: false };
  const path = contentAddressedPath(store.storeDir, ca, pathName(info.path), references);
  if (path === info.path) return drv;
  throw new NarrowError('integrity', `the text of ${info.path} is not its own: it makes the path ${path}`, {
    data: { path: info.path, got: path },
    hint: `${store.url} is damaged or lies; take this path from another source`,
  });
}

/** Reads several, in the order given. */
export async function readDerivations(
  store: Store,
  infos: readonly PathInfo[],
  signal?: AbortSignal,
): Promise<Map<PathInfo['path'], Derivation>> {
  const read = new Map<PathInfo['path'], Derivation>();
  const running = concurrently(infos, atOnce, async (info) => ({
    info,
    drv: await readDerivation(store, info, signal),
  }));
  for await (const { info, drv } of running) read.set(info.path, drv);
  return new Map(infos.map(({ path }) => [path, read.get(path)!]));
}
