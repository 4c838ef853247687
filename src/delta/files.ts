// The files of one tree as an encoder needs them: listed, digested at most once, compared. A base may be there only as a list
// of digests; then its files can be found again but not read.

import { isNarrowError } from '../errors.ts';
import { giveBack } from './give-back.ts';
import { memberLimit } from './layout.ts';
import type { RandomBytes } from './random-bytes.ts';
import { expandMember } from './recompress/member.ts';
import { translatorOf } from './translated-tree.ts';
import { contentDigest, digestSize, sameContents, treeFile } from './tree-file.ts';
import { indexTree, isFile, pathOf } from './tree-index.ts';
import type { TreeIndex } from './tree-index.ts';
import type { SyncFileTree } from '../format/nar/tree.ts';

/** A tree whose contents are described by digests: what a base is to a side that does not have it. */
export interface BaseDigests {
  readonly index: TreeIndex;
  /** 16 bytes for each entry; those of files count. */
  readonly digests: Uint8Array;
}

/** Describes `tree`; reads all of it once. One that cannot be read, or translated, is described as having nothing. */
export function digestsOf(tree: SyncFileTree): BaseDigests {
  try {
    const index = indexTree(tree);
    const digests = Buffer.alloc(index.length * digestSize);
    for (const [entry, about] of index.entries()) {
      if (isFile(about) && about.size > 0)
        contentDigest(tree.read(pathOf(index, entry))).copy(digests, entry * digestSize);
    }
    return { index, digests };
  } catch (error) {
    if (!isNarrowError(error)) throw error;
    return { index: [], digests: Buffer.alloc(0) };
  }
}

/** Files that can be told apart by size and digest. */
export interface DigestedFiles {
  readonly index: TreeIndex;
  /** The digest of a file that is not empty, as a string to compare. */
  digest(entry: number): string;
  /** The tree itself, where there is one. */
  readonly tree: TreeFiles | undefined;
}

/** Files of a tree that can be read. */
export class TreeFiles implements DigestedFiles {
  readonly index: TreeIndex;
  readonly #tree: SyncFileTree;
  readonly #digests = new Map<number, string>();

  constructor(tree: SyncFileTree) {
    this.#tree = tree;
    this.index = indexTree(tree);
  }

  get tree(): TreeFiles {
    return this;
  }

  read(entry: number): Iterable<Uint8Array> {
    return this.#tree.read(pathOf(this.index, entry));
  }

  /** The first bytes of a file, 8 or fewer. */
  head(entry: number): Uint8Array {
    for (const chunk of this.read(entry)) return Uint8Array.from(chunk.subarray(0, 8));
    return new Uint8Array(0);
  }

  file(entry: number): RandomBytes {
    return treeFile(this.#tree, pathOf(this.index, entry), this.index[entry]!.size);
  }

  /** The contents of a compressed file, translated as the tree is; undefined where it is none, or too large. */
  expanded(entry: number): Uint8Array | undefined {
    const { size } = this.index[entry]!;
    if (size > memberLimit) return undefined;
    const bytes = this.file(entry).read(0, size);
    const contents = expandMember(bytes, memberLimit);
    giveBack(bytes);
    if (contents) translatorOf(this.#tree)?.inPlace(contents);
    return contents;
  }

  digest(entry: number): string {
    let digest = this.#digests.get(entry);
    if (digest === undefined) {
      digest = contentDigest(this.read(entry)).toString('latin1');
      this.#digests.set(entry, digest);
    }
    return digest;
  }
}

/** Files of which only digests are known. */
export class DescribedFiles implements DigestedFiles {
  readonly index: TreeIndex;
  readonly tree: undefined;
  readonly #digests: Uint8Array;

  constructor({ index, digests }: BaseDigests) {
    this.index = index;
    this.#digests = digests;
  }

  digest(entry: number): string {
    const at = entry * digestSize;
    return Buffer.from(this.#digests.subarray(at, at + digestSize)).toString('latin1');
  }
}

/** True when file `a` of `fresh` and file `b` of `base` have the same contents. */
export function sameFile(fresh: TreeFiles, a: number, base: DigestedFiles, b: number): boolean {
  const size = fresh.index[a]!.size;
  if (size !== base.index[b]!.size) return false;
  if (size === 0) return true;
  if (base.tree === undefined) return fresh.digest(a) === base.digest(b);
  return sameContents(fresh.read(a), base.tree.read(b));
}
