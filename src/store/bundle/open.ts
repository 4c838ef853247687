// Opens a bundle as a store: `bundle:FILE`, with `base=URL` where what it does not bring is to be found.

import type { OpenContext } from '../open-context.ts';
import type { Store } from '../store.ts';
import { forward } from '../wrap/forward.ts';
import type { StoreOpener } from './bases.ts';
import { Bundle } from './bundle.ts';
import { BundleStore } from './bundle-store.ts';
import { volumesNamed } from './volume-names.ts';

/** Without `base` it is looked for at the destination of a copy, then in this machine's store. Throws `format`, `io`. */
export async function openBundleStore(
  place: string,
  params: URLSearchParams,
  context: OpenContext,
  openStore: (url: string, context: OpenContext) => Promise<Store>,
): Promise<BundleStore> {
  const named = params.getAll('base');
  const others = (named.length > 0 ? named : ['local']).map(
    (url): StoreOpener =>
      () =>
        openStore(url, context),
  );
  const bases = [...(context.bases ? [borrowed(context.bases)] : []), ...others];
  return new BundleStore(await Bundle.open(volumesNamed(place), { bases, signal: context.signal }));
}

/** A store that stays open when the bundle is closed. */
export function borrowed(store: () => Store): StoreOpener {
  return async () => forward(store(), { [Symbol.asyncDispose]: async () => {} });
}
