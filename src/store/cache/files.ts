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

export interface FileStat {
  /** Bytes, where known. */
  readonly size: number | undefined;
}

/** A file being written whose name is known only at its end. Disposed without commit, it never was. */
export interface StagedFile extends AsyncDisposable {
  /** Appends a borrowed chunk. */
  write(chunk: Uint8Array): Promise<void>;
  /** Gives it its name and makes it visible, all at once. */
  commit(reference: string, type: string, options?: FileOptions): Promise<void>;
}

export interface CacheFiles extends AsyncDisposable {
  /** The root, normalised, without secrets and without a slash at the end. */
  readonly url: string;
  /** Files asked for at once. */
  readonly concurrency: number;
  /** A stat costs next to nothing: so it is worth looking whether a narinfo's NAR is really there. */
  readonly near: boolean;
  /** A whole small file; undefined when there is none. More than `limit` bytes are a `format` error. */
  read(reference: string, limit: number, options?: FileOptions): Promise<Buffer | undefined>;
  /** Opens a file for streaming; undefined when there is none. */
  open(reference: string, options?: OpenFileOptions): Promise<OpenFile | undefined>;
  /** undefined when there is none. */
  stat(reference: string, options?: FileOptions): Promise<FileStat | undefined>;
  /** Writes a whole small file atomically, replacing what is there. `type` is its media type. */
  write(reference: string, bytes: Uint8Array, type: string, options?: FileOptions): Promise<void>;
  /** What can be told of the place itself; see facts.ts. */
  inspect?(options?: InspectOptions): Promise<Omit<StoreFacts, 'kind'>>;
  stage(options?: FileOptions): Promise<StagedFile>;
  /** References of the files under a directory, at any depth; undefined where files cannot be listed. */
  list(directory: string, options?: FileOptions): AsyncIterable<string> | undefined;
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
} as const;
