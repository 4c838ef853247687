// What is known of each file of a fresh tree before any is encoded: which are to be found in a base as they are, and which are
// the same as another one of the tree, so that it is kept by the reader and copied.

import { Candidates } from './candidates.ts';
import type { BaseFile } from './candidates.ts';
import type { Alignment } from './align.ts';
import type { DigestedFiles, TreeFiles } from './files.ts';
import { keepLimit } from './layout.ts';
import { isFile } from './tree-index.ts';

/** Files of fewer bytes are not worth a copy. */
const leastCopied = 64;

export interface FilePlan {
  readonly candidates: Candidates;
  /** Files that are in a base as they are. */
  readonly moved: ReadonlyMap<number, BaseFile>;
  /** Files whose contents are kept for others, in their order. */
  readonly kept: ReadonlySet<number>;
  /** Files that are copies: which kept one, counted from 0. */
  readonly copies: ReadonlyMap<number, number>;
}

/** Plans the files of `fresh` that are not equal to what they are laid beside. */
export function planFiles(
  fresh: TreeFiles,
  bases: readonly (DigestedFiles | undefined)[],
  { equal }: Alignment,
): FilePlan {
  const changed: number[] = [];
  for (const [entry, about] of fresh.index.entries())
    if (equal[entry] === 0 && isFile(about) && about.size > 0) changed.push(entry);
  const candidates = new Candidates(bases, fresh, changed);
  const moved = new Map<number, BaseFile>();
  for (const entry of changed) {
    const found = candidates.equal(entry);
    if (found !== undefined) moved.set(entry, found);
  }
  const rest = changed.filter((entry) => !moved.has(entry));
  return { candidates, moved, ...duplicates(fresh, rest) };
}

function duplicates(fresh: TreeFiles, entries: readonly number[]): Pick<FilePlan, 'kept' | 'copies'> {
  const firsts = new Map<string, number>();
  const firstOf = new Map<number, number>();
  for (const group of Map.groupBy(entries, (entry) => fresh.index[entry]!.size).values()) {
    const { size } = fresh.index[group[0]!]!;
    if (group.length === 1 || size < leastCopied || size > keepLimit) continue;
    for (const entry of group) {
      const key = `${size}:${fresh.digest(entry)}`;
      const first = firsts.get(key);
      if (first === undefined) firsts.set(key, entry);
      else firstOf.set(entry, first);
    }
  }
  const originals = [...new Set(firstOf.values())].sort((a, b) => a - b);
  const kept = new Map<number, number>();
  let size = 0;
  for (const entry of originals) {
    if (size + fresh.index[entry]!.size > keepLimit) continue;
    size += fresh.index[entry]!.size;
    kept.set(entry, kept.size);
  }
  const copies = new Map<number, number>();
  for (const [entry, first] of firstOf) {
    const slot = kept.get(first);
    if (slot !== undefined) copies.set(entry, slot);
  }
  return { kept: new Set(kept.keys()), copies };
}
