// What a binary cache is made of: files under names, nothing else. A directory, a web server, an object store and an SFTP
// host are each one implementation; everything about narinfos and NARs is in cache-store.ts, once.
//
// A file is named by a *reference*: what stands in a narinfo's URL, relative to the cache's root (RFC 3986), percent-encoded.

import type { ByteSource } from '../../bytes/source.ts';
import type { FileRange } from '../../fs/file-range.ts';
import type { InspectOptions, StoreFacts } from '../facts.ts';

export interface FileOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface OpenFileOptions extends FileOptions {
  /** Skip so many bytes. */
  readonly offset?: number | undefined;
  /** Give at most so many bytes. */
  readonly length?: number | undefined;
}

export interface OpenFile {
  /** Bytes of the whole file, where known. */
  readonly size: number | undefined;
  /** From `offset` on. */
  readonly bytes: ByteSource;
  /** Where the same bytes lie, when that is a file of this machine. */
  readonly local?: FileRange | undefined;
}

export interface ExpectedFile {
  readonly reference: string;
  readonly size: number | undefined;
}

export interface FileStat {
  /** Bytes, where known. */
  readonly size: number | undefined;
  /** When it was last written by the clock of the place, milliseconds since 1970; where known. */
  readonly modified?: number | undefined;
}

/** A file as a listing tells of it. */
export interface ListedCacheFile {
  readonly reference: string;
  readonly size: number;
  /** When it was last written by the clock of the place, milliseconds since 1970. */
  readonly modified: number;
  /** When it was last read, where the place keeps that. */
  readonly accessed?: number | undefined;
  /** Changes whenever the file is written (an ETag, an inode with size and time); no white space in it. */
  readonly version: string;
}

export interface CommitOptions extends FileOptions {
  /**
   * What has that name may be damaged, whatever its size. Called where it cannot be replaced at once, when the new one is whole: to remove
   * it, and before that what leads to it.
   */
  readonly makeWay?: (() => Promise<void>) | undefined;
}

/** A file being written whose name is known only at its end. Disposed without commit, it never was. */
export interface StagedFile extends AsyncDisposable {
  /** Appends a borrowed chunk. */
  write(chunk: Uint8Array): Promise<void>;
  /** Gives it its name and makes it visible, all at once. */
  commit(reference: string, type: string, options?: CommitOptions): Promise<void>;
}

/** A small file that waits for its name; what never gets it goes away with the place. */
export interface PreparedFile {
  /** Resolves when all of it is there but the name. */
  readonly ready: Promise<void>;
  /** Gives it its name, replacing what is there. */
  commit(): Promise<void>;
}

export interface CacheFiles extends AsyncDisposable {
  /** The root, normalised, without secrets and without a slash at the end. */
  readonly url: string;
  /** Files asked for at once. */
  readonly concurrency: number;
  /** NARs written at once, where that is not for the cores to say: a place far away wants more. */
  readonly writers?: number | undefined;
  /** A stat costs next to nothing: so it is worth looking whether a narinfo's NAR is really there. */
  readonly near: boolean;
  /** A NAR of fewer bytes is rather sent again than asked for; default 0. */
  readonly askFrom?: number | undefined;
  /**
   * Prepared files that are ready get their names in the order in which that was asked for, whatever is cut off: so the
   * next one need not wait until the one before is confirmed.
   */
  readonly ordered?: boolean | undefined;
  /** A whole small file; undefined when there is none. More than `limit` bytes are a `format` error. */
  read(reference: string, limit: number, options?: FileOptions): Promise<Buffer | undefined>;
  /** The same at once, where a file is read in less time than waiting takes; undefined also when it is larger, or cannot be read. */
  readNow?(reference: string, limit: number): Buffer | undefined;
  /** Opens a file for streaming; undefined when there is none. */
  open(reference: string, options?: OpenFileOptions): Promise<OpenFile | undefined>;
  /** These will be opened, about in this order, each with its size: where that costs a round trip, they are asked for ahead. */
  expect?(files: readonly ExpectedFile[]): void;
  /** undefined when there is none. */
  stat(reference: string, options?: FileOptions): Promise<FileStat | undefined>;
  /** Writes a whole small file atomically, replacing what is there. `type` is its media type. */
  write(reference: string, bytes: Uint8Array, type: string, options?: FileOptions): Promise<void>;
  /** Brings a whole small file there, all but its name, where that spares a round trip once it may be seen. */
  prepare?(reference: string, bytes: Uint8Array, type: string, options?: FileOptions): PreparedFile;
  /** What can be told of the place itself; see facts.ts. */
  inspect?(options?: InspectOptions): Promise<Omit<StoreFacts, 'kind'>>;
  stage(options?: FileOptions): Promise<StagedFile>;
  /** Writes a whole small file unless there is one of that name, which is told by false: of two at once one wins. */
  create(reference: string, bytes: Uint8Array, type: string, options?: FileOptions): Promise<boolean>;
  /** References of the files under a directory, at any depth; undefined where files cannot be listed. */
  list(directory: string, options?: FileOptions): AsyncIterable<string> | undefined;
  /** Every file of the cache, in any order, unfinished ones too; undefined where files cannot be listed. */
  listAll(options?: FileOptions): AsyncIterable<ListedCacheFile> | undefined;
  /** Removes a file; none there is no error. */
  remove(reference: string, options?: FileOptions): Promise<void>;
}

/** The reference of a file of our own naming: store path names may hold a question mark. */
export function referenceOf(name: string): string {
  return name.replace(/[%?#]/g, (c) => encodeURIComponent(c));
}

/** Media types, as Nix uploads them. */
export const mediaTypes = {
  cacheInfo: 'text/x-nix-cache-info',
  narinfo: 'text/x-nix-narinfo',
  nar: 'application/x-nix-nar',
  json: 'application/json',
  text: 'text/plain',
  binary: 'application/octet-stream',
} as const;
