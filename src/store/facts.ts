// What a place tells of itself beside its paths: for people (`narrow doctor`), and for what is checked before a copy.

import type { TrustedKeys } from '../model/signature.ts';
import type { QueryOptions, Store } from './store.ts';

/** What is absent is not told. */
export interface StoreFacts {
  /** What kind of place it is: `local store`, `Nix daemon` … */
  readonly kind: string;
  /** Software and protocol as far as they are told: `Nix 2.34.8, protocol 1.38`. */
  readonly version?: string | undefined;
  /** Nothing is there yet: the first copy would make it. */
  readonly absent?: boolean | undefined;
  /** Whether the other side takes this user's word for paths without signatures. */
  readonly trust?: 'trusted' | 'untrusted' | 'unknown' | undefined;
  /** Whether this user may add paths. */
  readonly writable?: boolean | undefined;
  /** Why not, and what to do. */
  readonly obstacle?: { readonly why: string; readonly hint?: string | undefined } | undefined;
  readonly space?: FreeSpace | undefined;
  /** What it asks of paths that are added. */
  readonly signatures?: SignatureRules | undefined;
  /** Seconds that its clock is ahead of ours, as exactly as `within`. */
  readonly clock?: { readonly ahead: number; readonly within: number } | undefined;
}

export interface SignatureRules {
  readonly required: boolean;
  /** By name. */
  readonly trustedKeys: readonly string[];
  /** The same with their public halves, where these are told: two keys may have one name. */
  readonly publicKeys?: TrustedKeys;
}

export interface FreeSpace {
  readonly where: string;
  /** Bytes. */
  readonly free: number;
  /** A NAR's bytes are about those that it will fill: neither the store nor the file system compresses. */
  readonly exact: boolean;
}

export interface InspectOptions extends QueryOptions {
  /** Ask nothing over a line that is not known already. */
  readonly quick?: boolean | undefined;
  /** The copy that is meant: where it depends on an answer, a question is worth its while also when it is to be quick. */
  readonly copy?: MeantCopy | undefined;
}

export interface MeantCopy {
  /** Bytes of NARs that will be added. */
  readonly narSize: number;
  /** Of the paths: neither signed nor content-addressed. */
  readonly unsigned: number;
  /** Nobody vouches for these. */
  readonly checkSignatures: boolean;
}

export interface InspectableStore extends Store {
  /** Changes nothing. Throws `unavailable` … when the place cannot be reached. */
  inspect(options?: InspectOptions): Promise<StoreFacts>;
}

export function isInspectable(store: Store): store is InspectableStore {
  return 'inspect' in store;
}
