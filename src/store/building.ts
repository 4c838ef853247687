// Stores that can build: a machine with a Nix that builds or substitutes what derivations say.

import type { NarrowError } from '../errors.ts';
import type { OutputSpec } from '../model/output-spec.ts';
import type { StorePath } from '../model/store-path.ts';
import type { QueryOptions, Store, WritableStore } from './store.ts';

/** A derivation that is valid in the store, and those of its outputs that are wanted. */
export interface BuildTarget {
  readonly drv: StorePath;
  readonly outputs: OutputSpec;
}

export type BuildOutcome =
  /** `how`: `built`, `substituted`, `already valid` … `outputs` by name, as far as the store tells them. */
  | {
      readonly status: 'done';
      readonly drv: StorePath;
      readonly how: string;
      readonly outputs: ReadonlyMap<string, StorePath>;
    }
  | { readonly status: 'failed'; readonly drv: StorePath; readonly error: NarrowError };

export interface BuildRequestOptions extends QueryOptions {
  /** Told of lines of the log as they come. */
  readonly onLog?: ((line: string) => void) | undefined;
}

export interface BuildingStore extends WritableStore {
  /** It tells the paths of outputs that are known only when they are built. */
  readonly tellsOutputs: boolean;
  /**
   * Builds or substitutes outputs, one target a derivation; one outcome a target. They stay valid while the store is open.
   * Throws only what is wrong with the connection or with the request as a whole.
   */
  buildPaths(targets: readonly BuildTarget[], options?: BuildRequestOptions): Promise<BuildOutcome[]>;
  /** Where building substitutes nothing by itself: takes those of `paths` that substituters have; tells all that are valid. */
  substitute?(paths: readonly StorePath[], options?: QueryOptions): Promise<ReadonlySet<StorePath>>;
}

export function isBuilding(store: Store): store is BuildingStore {
  return 'buildPaths' in store;
}
