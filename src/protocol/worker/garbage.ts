// Collecting garbage through the daemon.

import type { StorePath } from '../../model/store-path.ts';
import type { Codec } from '../codec/codec.ts';
import { choose, fields, flag, ignored, list, mapped, text, u64, wide } from '../codec/codec.ts';
import { pathSet } from '../codec/store-path.ts';

export const garbageActions = { returnLive: 0, returnDead: 1, deleteDead: 2, deleteSpecific: 3 } as const;

export interface GarbageRequest {
  /** One of {@link garbageActions}. */
  readonly action: number;
  /** Undefined: the whole store. */
  readonly paths: readonly StorePath[] | undefined;
  /** With `paths`, delete what refers to them too. Only with the feature. */
  readonly deleteReferrers: boolean;
  readonly ignoreLiveness: boolean;
  /** Bytes; undefined: all there is. */
  readonly maxFreed: number | undefined;
}

export interface GarbageResult {
  readonly paths: readonly string[];
  readonly bytesFreed: number;
}

const all = 2n ** 64n - 1n;
const limit: Codec<number | undefined> = mapped<bigint, number | undefined>(
  wide,
  (value) => (value === all ? undefined : Number(value)),
  (value) => (value === undefined ? all : BigInt(value)),
);

interface Which {
  readonly paths: readonly StorePath[] | undefined;
  readonly deleteReferrers: boolean;
}

/** A count of paths, 0 for the whole store. */
const plain: Codec<Which> = mapped<readonly StorePath[], Which>(
  pathSet,
  (paths) => ({ paths: paths.length === 0 ? undefined : paths, deleteReferrers: false }),
  (which) => which.paths ?? [],
);

/** u64 1 for the whole store, or u64 0, paths, u64 deleteReferrers. */
const withReferrers: Codec<Which> = {
  put(out, { paths, deleteReferrers }, peer) {
    out.boolean(paths === undefined);
    if (paths === undefined) return;
    pathSet.put(out, paths, peer);
    out.boolean(deleteReferrers);
  },
  async get(input, peer) {
    if ((await u64.get(input, peer)) !== 0) return { paths: undefined, deleteReferrers: false };
    const paths = await pathSet.get(input, peer);
    return { paths, deleteReferrers: await flag.get(input, peer) };
  },
};

interface Wire {
  readonly action: number;
  readonly which: Which;
  readonly ignoreLiveness: boolean;
  readonly maxFreed: number | undefined;
  readonly obsolete1: void;
  readonly obsolete2: void;
  readonly obsolete3: void;
}

export const garbageRequest: Codec<GarbageRequest> = mapped<Wire, GarbageRequest>(
  fields<Wire>({
    action: u64,
    which: choose((peer) => peer.features.has('delete-dead-specific-referrers'), withReferrers, plain),
    ignoreLiveness: flag,
    maxFreed: limit,
    obsolete1: ignored(0),
    obsolete2: ignored(0),
    obsolete3: ignored(0),
  }),
  ({ action, which, ignoreLiveness, maxFreed }) => ({ action, ...which, ignoreLiveness, maxFreed }),
  ({ action, paths, deleteReferrers, ignoreLiveness, maxFreed }) => ({
    action,
    which: { paths, deleteReferrers },
    ignoreLiveness,
    maxFreed,
    obsolete1: undefined,
    obsolete2: undefined,
    obsolete3: undefined,
  }),
);

/** Paths as texts: what the collector deleted need not have been a store path. */
export const garbageResult: Codec<GarbageResult> = mapped<GarbageResult & { obsolete: void }, GarbageResult>(
  fields<GarbageResult & { obsolete: void }>({ paths: list(text), bytesFreed: u64, obsolete: ignored(0) }),
  ({ paths, bytesFreed }) => ({ paths, bytesFreed }),
  ({ paths, bytesFreed }) => ({ paths, bytesFreed, obsolete: undefined }),
);
