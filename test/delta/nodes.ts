// Nodes of small trees, and a tree that fails.

import { displayBytes } from '../../src/bytes/byte-string.ts';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { NarrowError } from '../../src/errors.ts';
import type { MemoryNode } from '../../src/format/nar/memory-tree.ts';
import type { SyncFileTree } from '../../src/format/nar/tree.ts';

export const bytes = (contents: Uint8Array): MemoryNode => ({ type: 'regular', executable: false, contents });

export const file = (text: string): MemoryNode => bytes(Buffer.from(text));

export const directory = (entries: Record<string, MemoryNode>): MemoryNode => ({
  type: 'directory',
  entries: new Map(Object.entries(entries) as [ByteString, MemoryNode][]),
});

/** `tree`, whose files called `name` cannot be read. */
export function failingTree(tree: SyncFileTree, name: string): SyncFileTree {
  return {
    ...tree,
    read(path, range) {
      const last = path.at(-1);
      if (last !== name) return tree.read(path, range);
      throw new NarrowError('io', `cannot read ${displayBytes(last as ByteString)}: input/output error`);
    },
  };
}
