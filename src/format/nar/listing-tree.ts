// Random access to an uncompressed NAR somewhere else: its listing says where each file lies, ranges bring the bytes.

import type { ByteString } from '../../bytes/byte-string.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { NarrowError } from '../../errors.ts';
import { listedAt } from './listing.ts';
import type { ListedFile, Listing } from './listing.ts';
import { rangeWithin } from './range.ts';
import { treePathText } from './tree.ts';
import type { FileTree, ReadRange, TreePath, TreeStat } from './tree.ts';

/** Reads `length` bytes of the uncompressed NAR from byte `offset` on. */
export type ReadNarRange = (offset: number, length: number) => ByteSource;

/** The tree that `listing` describes, its files read by `readRange`. The bytes are as trustworthy as both of them are. */
export function listingTree(listing: Listing, readRange: ReadNarRange): FileTree {
  return {
    stat: (path) => statOf(listedAt(listing, path), path),
    list: (path) => namesIn(listedAt(listing, path), path),
    read: (path, range) => readFile(listedAt(listing, path), path, range, readRange),
  };
}

function statOf(node: Listing | undefined, path: TreePath): TreeStat | undefined {
  if (node?.type === 'directory') return { type: 'directory' };
  if (node?.type !== 'regular') return node;
  return { type: 'regular', size: known(node.size, 'size', path), executable: node.executable };
}

function namesIn(node: Listing | undefined, path: TreePath): readonly ByteString[] {
  if (node?.type === 'directory') return [...node.entries.keys()];
  throw new NarrowError('missing', `${treePathText(path)} is not a directory of the NAR listing`);
}

function readFile(
  node: Listing | undefined,
  path: TreePath,
  range: ReadRange | undefined,
  readRange: ReadNarRange,
): ByteSource {
  if (node?.type !== 'regular')
    throw new NarrowError('missing', `${treePathText(path)} is not a file of the NAR listing`);
  const [start, end] = rangeWithin(known(node.size, 'size', path), range, path);
  return start === end ? [] : readRange(offsetOf(node, path) + start, end - start);
}

function offsetOf(node: ListedFile, path: TreePath): number {
  return known(node.narOffset, 'offset', path);
}

function known(value: number | undefined, what: string, path: TreePath): number {
  if (value !== undefined) return value;
  throw new NarrowError('unsupported', `the NAR listing does not give the ${what} of ${treePathText(path)}`, {
    hint: 'read the whole NAR instead',
  });
}
