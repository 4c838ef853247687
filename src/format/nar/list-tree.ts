// The listing of a tree without reading its files: where contents lie in a NAR follows from names and sizes alone.

import type { ByteString } from '../../bytes/byte-string.ts';
import { padding } from '../../bytes/u64.ts';
import { NarrowError } from '../../errors.ts';
import type { Listing } from './listing.ts';
import * as tokens from './tokens.ts';
import { treePathText } from './tree.ts';
import type { FileTree, TreeStat } from './tree.ts';

/** Lists all of `tree`, with the offsets that its NAR will have. */
export async function listTree(tree: FileTree): Promise<Listing> {
  const walk = { tree, at: tokens.MAGIC.length + tokens.NODE_OPEN.length };
  return listNode(walk, []);
}

interface Walk {
  readonly tree: FileTree;
  /** Offset in the NAR. */
  at: number;
}

/** From behind a node's "type" to its last ")", which belongs to whatever encloses it. */
async function listNode(walk: Walk, path: ByteString[]): Promise<Listing> {
  if (path.length >= tokens.DEPTH_LIMIT)
    throw new NarrowError(
      'format',
      `${treePathText(path)} is nested too deeply for a NAR: expected fewer than 64 levels`,
    );
  const stat = await walk.tree.stat(path);
  switch (stat?.type) {
    case 'regular':
      return listFile(walk, stat);
    case 'symlink':
      walk.at += tokens.SYMLINK_TARGET.length + stringSize(stat.target.length);
      return stat;
    case 'directory':
      return listDirectory(walk, path);
    case undefined:
      throw new NarrowError('missing', `there is no ${treePathText(path)} in the tree`);
  }
}

function listFile(walk: Walk, { size, executable }: Extract<TreeStat, { type: 'regular' }>): Listing {
  const narOffset = walk.at + (executable ? tokens.EXECUTABLE_CONTENTS : tokens.REGULAR_CONTENTS).length + 8;
  walk.at = narOffset + size + padding(size);
  return { type: 'regular', executable, size, narOffset };
}

async function listDirectory(walk: Walk, path: ByteString[]): Promise<Listing> {
  const entries = new Map<ByteString, Listing>();
  walk.at += tokens.DIRECTORY.length;
  for (const name of await walk.tree.list(path)) {
    walk.at += tokens.ENTRY_NAME.length + stringSize(name.length) + tokens.ENTRY_NODE.length;
    entries.set(name, await listNode(walk, [...path, name]));
    walk.at += tokens.ENTRY_END.length;
  }
  return { type: 'directory', entries };
}

function stringSize(length: number): number {
  return 8 + length + padding(length);
}
