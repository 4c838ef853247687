// Everything is a store: a place that holds store paths, named by a URL. These interfaces are what the whole program
// stands on; each place is one file beside this one, and wrappers (wrap/) have the same interface in and out.
//
// Three outcomes of a question are three things: *missing* is an absent map entry or undefined, *invalid* a thrown
// `format` or `integrity` error, *cannot tell* a thrown `unavailable`.

import type { ByteSource } from '../bytes/source.ts';
import type { NarrowError } from '../errors.ts';
import type { FileRange } from '../fs/file-range.ts';
import type { PathReport } from '../delta/report.ts';
import type { PackBuffers } from '../format/nar/pack.ts';
import type { FileTree } from '../format/nar/tree.ts';
import type { Hash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { Realisation } from '../model/realisation.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';

/** What a store can do beyond the interface: data, so that a plan can be made from it. */
export interface Abilities {
  /** `open` honours an offset. */
  readonly ranges: boolean;
  /** Stored NARs are compressed: `open` may hand out an encoding other than `none`. */
  readonly encodings: boolean;
  /** Its paths carry signatures that must be checked by whoever takes them; false where the user trusts the sender. */
  readonly trusted: boolean;
  /** It signs what is added with keys of its own. */
  readonly signs?: boolean;
  /** Its files lie on this machine: trees answer at once. */
  readonly nearby?: boolean;
  /** NARs are made while they are read, one at a time, by the thread that reads them: it has enough to do with that. */
  readonly makes?: boolean;
  /** Where the bytes come from, for the order of several sources: smaller is asked first. */
  readonly priority: number;
}

export interface OpenOptions {
  /** Encodings (compression names) the caller can pass on or decode; `none` is always allowed. Default: only none. */
  readonly encodings?: readonly string[];
  /** Skip this many bytes of the stored file; only with the ability `ranges`, and only for the file's own encoding. */
  readonly offset?: number;
  /** Where chunks may be made, by stores that make them; a buffer is used again when the next chunk is asked for. */
  readonly buffers?: PackBuffers | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An opened NAR, encoded as stored unless asked otherwise. Can be opened again at any time (retry, resume). */
export interface OpenNar {
  readonly encoding: string;
  /** Bytes of the whole encoded file, where known. */
  readonly size?: number | undefined;
  /** Hash of the whole encoded file, where known. */
  readonly hash?: Hash | undefined;
  /** From `offset` on. Unverified: whoever consumes it checks the NAR hash. */
  readonly bytes: ByteSource;
  /** Where the same bytes lie, when that is a file of this machine: other threads can read them without this one. */
  readonly local?: FileRange | undefined;
  /** Set where it is packed from a tree as it is read: a NAR for certain, if not yet the right one. */
  readonly packed?: boolean | undefined;
}

export interface QueryOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface Store extends AsyncDisposable {
  /** Normalised, without secrets. */
  readonly url: string;
  readonly storeDir: StoreDir;
  readonly abilities: Abilities;

  /** Infos of those of `paths` that are valid here; misses are absent. */
  pathInfos(paths: Iterable<StorePath>, options?: QueryOptions): Promise<Map<StorePath, PathInfo>>;
  /**
   * Infos of those of `paths` that are valid here, and of all they refer to, in one question. Stores that would have to ask
   * level by level leave it out; see {@link closureQuery}.
   */
  closureInfos?(paths: Iterable<StorePath>, options?: QueryOptions): Promise<Map<StorePath, PathInfo>>;
  /** The valid path with this hash part. */
  pathByHashPart(hashPart: string, options?: QueryOptions): Promise<StorePath | undefined>;
  /** The NAR of a path whose info came from this store. */
  open(info: PathInfo, options?: OpenOptions): Promise<OpenNar>;
  /**
   * These will be opened, about in this order: a store behind a line with latency asks for them ahead. Others need not
   * have it.
   */
  expect?(infos: readonly PathInfo[]): void;
  /**
   * The order in which these are best opened, references first: for stores that are read from their beginning to their end.
   * Others need not have it.
   */
  inOrder?(infos: Iterable<PathInfo>): readonly PathInfo[];
  /** The path's files with random access. */
  tree(info: PathInfo, options?: QueryOptions): Promise<FileTree>;
  /** Keeps the paths from being collected until disposed. They need not exist yet. */
  hold(paths: Iterable<StorePath>): Promise<AsyncDisposable>;
  /** Realisations whose output is one of `paths`. Throws `unsupported` when the store cannot tell. */
  realisations(paths: readonly PathInfo[], options?: QueryOptions): Promise<Realisation[]>;
}

/** What a destination says of a path before any byte moves. */
export type Verdict =
  | { readonly status: 'missing' }
  /** Valid with the same NAR hash. `newSignatures`: those offered that the destination does not have. */
  | { readonly status: 'valid'; readonly newSignatures: readonly string[] }
  /** Valid with other contents (NAR hash, size or references). */
  | { readonly status: 'differs'; readonly why: string }
  | { readonly status: 'refused'; readonly why: string; readonly hint?: string | undefined };

/** One path on its way into a store. */
export interface Item {
  readonly info: PathInfo;
  /** Opens the NAR; may be called again after a failure. */
  open(options?: OpenOptions): Promise<OpenNar>;
  /** Registered with the path. */
  readonly realisations?: readonly Realisation[] | undefined;
  /** To be repaired, and stored in one file with these other paths: where that file cannot be replaced at once, they are away meanwhile. */
  readonly sharers?: readonly StorePath[] | undefined;
  /** Of a store that {@link Abilities.makes} NARs. */
  readonly made?: boolean | undefined;
}

/** What became of an item. `bytes` are those written: the encoded file into a cache, the NAR into a store. */
export type Outcome =
  | { readonly status: 'added'; readonly path: StorePath; readonly bytes: number }
  | { readonly status: 'valid'; readonly path: StorePath; readonly bytes: 0 }
  | {
      readonly status: 'differs' | 'refused' | 'failed';
      readonly path: StorePath;
      readonly bytes: number;
      readonly error: Error;
    };

export interface AddOptions {
  readonly signal?: AbortSignal | undefined;
  /** Accept paths without a trusted signature (the user vouches for the source). */
  readonly checkSignatures?: boolean;
  /** Rewrite and fetch again what is there already. */
  readonly repair?: boolean;
  /** References that need not be there, since others have them: for stores that are asked beside others (caches). */
  readonly elsewhere?: ReadonlySet<StorePath> | undefined;
  /** Called with encoded bytes as they are taken in, for progress. */
  readonly onBytes?: ((path: StorePath, bytes: number) => void) | undefined;
}

export interface WritableStore extends Store {
  /** What would happen to each path; moves nothing. */
  check(infos: readonly PathInfo[], options?: AddOptions): Promise<Map<StorePath, Verdict>>;
  /** Why a path would be refused for its realisations, which cannot be told here. Others need not have it. */
  realisationsRefusal?(info: PathInfo, realisations: readonly Realisation[]): NarrowError | undefined;
  /**
   * Adds items, which arrive references first, and tells of each what became of it. The store chooses its own
   * concurrency; a path becomes visible after its references and after its NAR hash and size were checked.
   * An item's failure is an outcome; only a failure of the store itself throws.
   */
  add(items: AsyncIterable<Item>, options?: AddOptions): AsyncIterable<Outcome>;
  /**
   * Ask anew from now on: others have added paths meanwhile. Nix remembers for an hour, in each conversation, what was not
   * there. What is held stays held. Others need not have it.
   */
  renew?(): void;
  /** Adds signatures to a valid path. Throws `differs` when its NAR hash is another, `missing` when it is not there. */
  addSignatures(path: StorePath, narHash: Hash, signatures: readonly string[]): Promise<void>;
}

/**
 * A store whose paths can be kept by links on the machine that it is on. Relative links begin in this process's directory
 * where that is this machine, in the user's home on another.
 */
export interface RootedStore extends WritableStore {
  /** Throws what is known, before anything moves, to keep a link or profile from being made. Others need not have it. */
  expectRoot?(link: string, path?: StorePath): void;
  /** Makes `link` a symlink to the path and a GC root. Throws `missing` when the path is not valid any more. */
  addRoot(link: string, path: StorePath): Promise<void>;
  /** Makes the next generation of a profile, as `nix-env --profile P --set` does; its link, where it is told. */
  setProfile(profile: string, path: StorePath): Promise<string | undefined>;
}

/** The other end of a copy to a store. */
export interface MetSource {
  readonly source: Store;
  readonly roots: readonly StorePath[];
  /** References first. */
  readonly closure: ReadonlyMap<StorePath, PathInfo>;
  readonly signal?: AbortSignal | undefined;
}

/** The other end of a copy from a store. */
export interface MetDestination {
  readonly destination: Store;
  readonly roots: readonly StorePath[];
  /** False when the user vouches for the source. */
  readonly checkSignatures?: boolean | undefined;
  /** Told of what takes long. */
  readonly onPhase?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whether a copy goes by deltas. */
export type Meeting =
  /** `bases`: how many paths the receiver has that others may be rebuilt from. */
  | { readonly kind: 'narrow'; readonly software: string; readonly bases: number }
  /** By a delta that lies at the source, `from` paths that the receiver has, of so many bytes. */
  | { readonly kind: 'static'; readonly from: string; readonly bases: number; readonly size: number }
  | { readonly kind: 'stock'; readonly why: string };

/** What came and went by deltas. */
export interface DeltaEnd extends Store {
  /** Bytes of the delta of these paths, of those that were checked or told; sends nothing. */
  deltaSize(infos: readonly PathInfo[]): Promise<number>;
  /** Of each path that went as a delta what it cost, and why. */
  deltaReports(): ReadonlyMap<StorePath, PathReport>;
}

/**
 * A source that may give deltas. Who copies lets it meet the destination before it asks anything else; after that the store
 * answers as any other.
 */
export interface DeltaSource extends DeltaEnd {
  /** Undefined: there is nothing to say of deltas. */
  meetDestination(destination: MetDestination): Promise<Meeting | undefined>;
  /**
   * What these were rebuilt to was wrong: asked for again, they come whole, and all others as deltas once more. Returns those
   * that were rebuilt, and so come in another way now.
   */
  distrust(infos: readonly PathInfo[]): readonly PathInfo[];
}

/** A destination that may take deltas: it, too, meets the other end before it is asked anything else. */
export interface DeltaDestination extends DeltaEnd, WritableStore {
  meetSource(source: MetSource): Promise<Meeting>;
}

/** A store at which there may be another narrow, with which a copy goes by deltas either way. */
export type DeltaStore = DeltaSource & DeltaDestination;

export function isDeltaSource(store: Store): store is DeltaSource {
  return 'meetDestination' in store;
}

export function isDeltaDestination(store: Store): store is DeltaDestination {
  return 'meetSource' in store;
}

export interface ListOptions extends QueryOptions {
  /** Told of entries that cannot be read, which otherwise end the question. */
  readonly onDamage?: ((error: Error) => void) | undefined;
}

/** A store that can tell everything it has. */
export interface ListedStore extends Store {
  /** Every valid path, sorted. */
  allPaths(options?: ListOptions): Promise<readonly StorePath[]>;
}

export function isListed(store: Store): store is ListedStore {
  return 'allPaths' in store;
}

export function isWritable(store: Store): store is WritableStore {
  return 'add' in store;
}

export function isRooted(store: Store): store is RootedStore {
  return 'addRoot' in store;
}
