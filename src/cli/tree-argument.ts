// A file or directory that a command is to read, named by the user.

import { NarrowError } from '../errors.ts';
import type { SyncFileTree } from '../format/nar/tree.ts';
import { localTree } from '../fs/tree.ts';

/** The tree at `path`. Throws `missing` when nothing is there, `refused` when it is a device or the like. */
export function treeArgument(path: string): SyncFileTree {
  const tree = localTree(path);
  if (tree.stat([]) !== undefined) return tree;
  throw new NarrowError('missing', `there is nothing at ${path}`, { data: { path } });
}
