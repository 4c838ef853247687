// A tree as a flat list, in the order of its NAR: entry 0 is the root, a directory stands before what is in it. Both sides of a
// delta make the same list of the same tree, so an entry is named by its number.

import { compareBytes } from '../bytes/byte-string.ts';
import type { ByteString } from '../bytes/byte-string.ts';
import { NarrowError } from '../errors.ts';
import { DEPTH_LIMIT } from '../format/nar/tokens.ts';
import { treePathText } from '../format/nar/tree.ts';
import type { SyncFileTree, TreePath, TreeStat } from '../format/nar/tree.ts';

/** What an entry is. */
export const kind = { directory: 0, regular: 1, executable: 2, symlink: 3 } as const;

export interface TreeEntry {
  readonly kind: number;
  readonly name: ByteString;
  /** Number of the directory it is in; -1 for the root. */
  readonly parent: number;
  /** Bytes of a file, else 0. */
  readonly size: number;
  /** Of a link, else empty. */
  readonly target: ByteString;
  /** Number of the first entry that is not within this one. */
  end: number;
}

export type TreeIndex = readonly TreeEntry[];

const none = '' as ByteString;

/** Lists `tree`. Contents are not read. */
export function indexTree(tree: SyncFileTree): TreeIndex {
  const entries: TreeEntry[] = [];
  const path: ByteString[] = [];
  const open: { readonly entry: number; readonly names: readonly ByteString[]; at: number }[] = [];
  const add = (name: ByteString, parent: number): void => {
    const stat = tree.stat(path);
    if (stat === undefined)
      throw new NarrowError('missing', `there is no ${treePathText(path)} in the tree that was just listed`);
    if (open.length >= DEPTH_LIMIT)
      throw new NarrowError('format', `${treePathText(path)} is nested too deeply: expected fewer than 64 levels`);
    entries.push(entryOf(stat, name, parent, entries.length + 1));
    if (stat.type === 'directory') open.push({ entry: entries.length - 1, names: tree.list(path), at: 0 });
    else path.pop();
  };
  add(none, -1);
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const name = top.names[top.at++];
    if (name === undefined) {
      entries[top.entry]!.end = entries.length;
      open.pop();
      path.pop();
    } else {
      path.push(name);
      add(name, top.entry);
    }
  }
  return entries;
}

function entryOf(stat: TreeStat, name: ByteString, parent: number, end: number): TreeEntry {
  if (stat.type === 'symlink') return { kind: kind.symlink, name, parent, size: 0, target: stat.target, end };
  if (stat.type === 'directory') return { kind: kind.directory, name, parent, size: 0, target: none, end };
  return { kind: stat.executable ? kind.executable : kind.regular, name, parent, size: stat.size, target: none, end };
}

/** True for files, executable or not. */
export function isFile(entry: TreeEntry): boolean {
  return entry.kind === kind.regular || entry.kind === kind.executable;
}

/** The names from the root down to an entry. */
export function pathOf(index: TreeIndex, entry: number): TreePath {
  const path: ByteString[] = [];
  for (let at = entry; at > 0; at = index[at]!.parent) path.push(index[at]!.name);
  return path.reverse();
}

/** Numbers of the entries of a directory, in order; none for anything else. */
export function childrenOf(index: TreeIndex, directory: number): number[] {
  const children: number[] = [];
  const end = index[directory]!.end;
  for (let at = directory + 1; at < end; at = index[at]!.end) children.push(at);
  return children;
}

/** What goes before what in a directory. */
export function compareEntries(a: TreeEntry, b: TreeEntry): number {
  return compareBytes(a.name, b.name);
}
