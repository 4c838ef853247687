// What a NAR describes: a tree of directories, regular files with one executable bit, and symbolic links. Two views of it:
// FileTree is read at random (a directory on disk, a listing over a remote NAR, memory), TreeSink is written once in order.

import { displayBytes } from '../../bytes/byte-string.ts';
import type { ByteString } from '../../bytes/byte-string.ts';
import type { ByteSource } from '../../bytes/source.ts';

/** The names from the root of a store object down to a file; empty for the root itself. */
export type TreePath = readonly ByteString[];

/** A regular file: length of its contents in bytes, and whether its owner may execute it. */
export interface RegularStat {
  readonly type: 'regular';
  readonly size: number;
  readonly executable: boolean;
}

export interface DirectoryStat {
  readonly type: 'directory';
}

/** A symbolic link; the target is never interpreted. */
export interface SymlinkStat {
  readonly type: 'symlink';
  readonly target: ByteString;
}

export type TreeStat = RegularStat | DirectoryStat | SymlinkStat;

/** A value now or later: trees on this machine answer at once, remote ones do not. */
export type Awaitable<T> = T | Promise<T>;

/** Which part of a file to read, in bytes; the whole file by default. */
export interface ReadRange {
  readonly offset?: number | undefined;
  readonly length?: number | undefined;
}

/** Random-access reading of one store object. Links are never followed. Paths are borrowed until the call has answered. */
export interface FileTree {
  /** What lies at `path`; undefined when there is nothing. */
  stat(path: TreePath): Awaitable<TreeStat | undefined>;
  /** The names in the directory at `path`, in the order of their bytes. */
  list(path: TreePath): Awaitable<readonly ByteString[]>;
  /** The contents of the regular file at `path`; the part must lie within the file. May be called again. */
  read(path: TreePath, range?: ReadRange): ByteSource;
}

/** A tree that answers at once, so that it can be packed without a single await. */
export interface SyncFileTree extends FileTree {
  stat(path: TreePath): TreeStat | undefined;
  list(path: TreePath): readonly ByteString[];
  read(path: TreePath, range?: ReadRange): Iterable<Uint8Array>;
  readonly synchronous: true;
  /** Opens the regular file at `path` to be read once, into buffers of the caller's. Others need not have it. */
  open?(path: TreePath): SyncFile;
}

/** A file that is read from its start to its end. */
export interface SyncFile {
  /** Reads up to `length` bytes to `at` in `buffer`; returns how many came, 0 at the end. */
  read(buffer: Uint8Array, at: number, length: number): number;
  close(): void;
}

/**
 * The events of a NAR in order. `name` is the name in the enclosing directory, empty for the root (no other node has an
 * empty name). Names and targets have passed every check of the format before they are seen here.
 */
export interface NarVisitor {
  /** A directory begins; its entries follow. */
  directory(name: ByteString): void;
  /** The directory that began last ends. */
  leave(): void;
  /** A regular file of `size` bytes begins; its contents start at byte `offset` of the NAR. */
  regular(name: ByteString, executable: boolean, size: number, offset: number): void;
  /** A piece of the file's contents, never empty; borrowed until the call returns. */
  contents(chunk: Uint8Array): void;
  /** All of the file has been seen. */
  closeRegular(): void;
  symlink(name: ByteString, target: ByteString): void;
}

/** Lets a NAR pass: for who only wants it checked, or its end found. */
export const noVisitor: NarVisitor = {
  directory() {},
  leave() {},
  regular() {},
  contents() {},
  closeRegular() {},
  symlink() {},
};

/** Where a tree is written, once and in the order of a NAR. Nothing counts before `finish`. */
export interface TreeSink extends NarVisitor {
  /** The whole tree has been written. */
  finish(): void;
  /** Something failed: takes back what was written. Never throws, and may be called at any moment. */
  abort(): void;
}

/** The path as people read it, for messages. */
export function treePathText(path: TreePath): string {
  return path.length === 0 ? '/' : path.map((name) => `/${displayBytes(name)}`).join('');
}
