// Stores that can be told to fetch from caches of their own (their substituters) before anything is sent to them.

import type { StorePath } from '../model/store-path.ts';
import type { QueryOptions, Store, WritableStore } from './store.ts';

export interface SubstituteOptions extends QueryOptions {
  /** Lines about what it does. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Bytes are coming in; only from stores that tell. */
  readonly onProgress?: (() => void) | undefined;
}

export interface SubstitutingStore extends WritableStore {
  /** `onProgress` is called, so that silence means that nothing comes. */
  readonly tellsProgress: boolean;
  /** Those of `paths` that its caches say they have; undefined where that cannot be asked without fetching them. */
  substitutable(paths: readonly StorePath[], options?: QueryOptions): Promise<readonly StorePath[] | undefined>;
  /**
   * Has it fetch what its caches have of `paths`, in a conversation of its own: when that fails, or is given up by the signal,
   * the store can be asked and added to as before. Throws what went wrong, whatever has arrived until then.
   */
  fetchSubstitutes(paths: readonly StorePath[], options?: SubstituteOptions): Promise<void>;
}

export function isSubstituting(store: Store): store is SubstitutingStore {
  return 'fetchSubstitutes' in store;
}
