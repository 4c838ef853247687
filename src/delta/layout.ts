// The columns of a batch and the codes in them: the vocabulary of the delta stream, see docs/formats/delta.md.

import { columnCount as codecColumns } from './codec/file.ts';

/** Columns of the batch itself. */
export const batchColumn = {
  /** Of each unit its kind with a count or a flag. */
  unit: 0,
  /** Of each unit with contents: which columns it uses, and how many bytes of each. */
  mask: 1,
  length: 2,
} as const;
export const batchColumns = 3;

/** Columns of trees. */
export const column = {
  /** What is done next; see {@link action}. */
  action: 0,
  /** Of each new node what it is; see {@link node}. */
  node: 1,
  /** Children kept before an action, and how many are gone. */
  run: 2,
  /** Bytes that a name shares with the last one, and a target with the base's, at both ends. */
  shared: 3,
  /** The rest of names, each ended by NUL. */
  name: 4,
  /** The rest of targets, each ended by NUL. */
  target: 5,
  /** Of files with contents their sizes. */
  size: 6,
  /** Which base, and which entry of it. */
  base: 7,
  entry: 8,
  /** Of recompressed files the length of the recipe and the size of the contents, then recipes. */
  recipeSize: 9,
  recipe: 10,
} as const;
export const treeColumns = 11;

/** All columns in the order they stand in a batch: the batch's, the trees', the file codec's. */
export const firstTreeColumn: number = batchColumns;
export const firstCodecColumn: number = batchColumns + treeColumns;
export const allColumns: number = firstCodecColumn + codecColumns;

/** Kinds of units. */
export const unit = {
  /** A number of paths, each exactly its first base. */
  same: 0,
  /** A path, or its last part. */
  last: 1,
  /** A part of a path, another follows. */
  part: 2,
  /** A path that the sender cannot give, or no more of it. */
  absent: 3,
} as const;

/** What is done in a directory. */
export const action = {
  /** All further children of the base's directory are kept, and the directory ends. */
  end: 0,
  /** A number of children of the base's directory is left out. */
  gone: 1,
  /** The next child of the base's directory is a directory, and what changes in it follows. */
  enter: 2,
  /** In place of the next child of the base's directory stands a node of the same name. */
  change: 3,
  /** A node with a name of its own. */
  add: 4,
} as const;

/** What a new node is: the lowest two bits, and for files more bits. */
export const node = {
  directory: 0,
  /** A directory that changes one of the base's. */
  directoryLike: 1,
  symlink: 2,
  file: 3,
  executable: 4,
  /** The contents stay at hand for a copy. */
  keep: 8,
  /** Where a file's contents come from, times this. */
  source: 16,
} as const;

/** Where a file's contents come from. */
export const source = {
  /** The stream of fresh contents. */
  fresh: 0,
  /** A file of a base, as it is. */
  moved: 1,
  /** A file of a base, changed by the file codec. */
  similar: 2,
  /** A file kept earlier in this path. */
  copy: 3,
  /** Compressed: the contents are those of a base's file, changed by the file codec, then packed again. */
  repacked: 4,
  /** Compressed: the contents are in the stream of fresh contents, then packed again. */
  packedFresh: 5,
} as const;

/** Fresh contents are handled in blocks of this size: no block is in two batches, and filters work on a block alone. */
export const blockSize: number = 256 * 1024;
/** Bytes of one path that may be kept for copies. */
export const keepLimit: number = 16 * 1024 * 1024;
/** Contents of compressed files that are opened, in bytes. */
export const memberLimit: number = 24 * 1024 * 1024;
/** What compressed files of a path may come to when they are opened: whoever makes a NAR of `size` bytes opens no more. */
export function contentsLimit(size: number): number {
  return 2 * memberLimit + 32 * size;
}
/** Bases a path may have. */
export const baseLimit = 16;
