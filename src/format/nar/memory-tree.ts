// A tree in memory: for tests, for generated files, and as the simplest example of both views of a tree.

import { compareBytes } from '../../bytes/byte-string.ts';
import type { ByteString } from '../../bytes/byte-string.ts';
import { NarrowError } from '../../errors.ts';
import { rangeWithin } from './range.ts';
import { treePathText } from './tree.ts';
import type { ReadRange, SyncFileTree, TreePath, TreeSink, TreeStat } from './tree.ts';

/** A node of a tree in memory. */
export type MemoryNode =
  | { readonly type: 'regular'; readonly executable: boolean; readonly contents: Uint8Array }
  | { readonly type: 'symlink'; readonly target: ByteString }
  | { readonly type: 'directory'; readonly entries: ReadonlyMap<ByteString, MemoryNode> };

/** A tree of `root`. Entries may be in any order. */
export function memoryTree(root: MemoryNode): SyncFileTree {
  const find = (path: TreePath): MemoryNode | undefined => {
    let node: MemoryNode | undefined = root;
    for (const name of path) node = node?.type === 'directory' ? node.entries.get(name) : undefined;
    return node;
  };
  return {
    synchronous: true,
    stat: (path) => statOf(find(path)),
    list(path) {
      const node = find(path);
      if (node?.type !== 'directory') throw notA('directory', path);
      return [...node.entries.keys()].sort(compareBytes);
    },
    read(path, range?: ReadRange) {
      const node = find(path);
      if (node?.type !== 'regular') throw notA('regular file', path);
      const [start, end] = rangeWithin(node.contents.length, range, path);
      return start === end ? [] : [node.contents.subarray(start, end)];
    },
  };
}

function statOf(node: MemoryNode | undefined): TreeStat | undefined {
  if (node?.type === 'regular') return { type: 'regular', size: node.contents.length, executable: node.executable };
  return node?.type === 'directory' ? { type: 'directory' } : node;
}

function notA(kind: string, path: TreePath): NarrowError {
  return new NarrowError('missing', `${treePathText(path)} is not a ${kind}`);
}

/** Collects a tree in memory; `root` is there once it is finished. */
export class MemorySink implements TreeSink {
  #root: MemoryNode | undefined;
  readonly #open: Map<ByteString, MemoryNode>[] = [];
  #file: { name: ByteString; executable: boolean; chunks: Uint8Array[] } | undefined;

  /** The tree that was written, or undefined. */
  get root(): MemoryNode | undefined {
    return this.#root;
  }

  directory(name: ByteString): void {
    const entries = new Map<ByteString, MemoryNode>();
    this.#put(name, { type: 'directory', entries });
    this.#open.push(entries);
  }

  leave(): void {
    this.#open.pop();
  }

  regular(name: ByteString, executable: boolean): void {
    this.#file = { name, executable, chunks: [] };
  }

  contents(chunk: Uint8Array): void {
    this.#file!.chunks.push(Uint8Array.from(chunk));
  }

  closeRegular(): void {
    const { name, executable, chunks } = this.#file!;
    this.#put(name, { type: 'regular', executable, contents: Buffer.concat(chunks) });
  }

  symlink(name: ByteString, target: ByteString): void {
    this.#put(name, { type: 'symlink', target });
  }

  finish(): void {}

  abort(): void {
    this.#root = undefined;
  }

  #put(name: ByteString, node: MemoryNode): void {
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = node;
    else parent.set(name, node);
  }
}
