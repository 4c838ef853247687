// Opens a bundle as a store: `bundle:FILE`, with `base=URL` where what it does not bring is to be found.

import { existsSync } from 'node:fs';
import { defaultStoreDir } from '../../model/store-path.ts';
import type { OpenContext } from '../open-context.ts';
import type { Store } from '../store.ts';
import { forward } from '../wrap/forward.ts';
import type { StoreOpener } from './bases.ts';
import { Bundle } from './bundle.ts';
import { BundleStore } from './bundle-store.ts';
import { kindOfFile } from './carried-bytes.ts';
import { volumesNamed } from './volume-names.ts';

/** Without `base` it is looked for at the destination of a copy, then in this machine's store. Throws `format`, `io`. */
export async function openBundleStore(
  place: string,
  params: URLSearchParams,
  context: OpenContext,
  openStore: (url: string, context: OpenContext) => Promise<Store>,
): Promise<Store> {
  if (!(await isBundle(place))) return openCarriedStore(place, context);
  const named = params.getAll('base');
  const others = (named.length > 0 ? named : ['local']).map(
    (url): StoreOpener =>
      () =>
        openStore(url, context),
  );
  const bases = [...(context.bases ? [borrowed(context.bases)] : []), ...others];
  const openCache = (url: string): Promise<Store> => openStore(url, context);
  return new BundleStore(await Bundle.open(volumesNamed(place), { bases, openCache, signal: context.signal }));
}

/** A file that is not there is named by the reader of bundles, who knows of volumes. */
async function isBundle(place: string): Promise<boolean> {
  const kind = existsSync(place) ? await kindOfFile(place) : 'bundle';
  return kind === 'bundle' || kind === undefined;
}

/** What others write is read, too. */
async function openCarriedStore(place: string, { warn, signal }: OpenContext): Promise<Store> {
  const { openCarried } = await import('./carried-store.ts');
  const storeDir = process.env['NIX_STORE_DIR'] || defaultStoreDir;
  const { store, ...carried } = await openCarried(place, { storeDir, warn, signal });
  return forward(store, { url: `bundle:${place}`, [Symbol.asyncDispose]: () => carried[Symbol.asyncDispose]() });
}

/** A store that stays open when the bundle is closed. */
export function borrowed(store: () => Store): StoreOpener {
  return async () => forward(store(), { [Symbol.asyncDispose]: async () => {} });
}
