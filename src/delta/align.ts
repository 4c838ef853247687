// Lays a fresh tree beside its base: which entry stands for which by its path, and what is equal as it is. Directories whose
// names differ in digits only (python3.11, python3.12) stand for each other where one is gone and the other is new.

import { sameFile } from './files.ts';
import type { DigestedFiles, TreeFiles } from './files.ts';
import { normalised } from './normalised.ts';
import { childrenOf, compareEntries, isFile, kind } from './tree-index.ts';

export interface Alignment {
  /** Of each fresh entry the one of the base at the same path, or -1. */
  readonly partner: Int32Array;
  /** 1 where a fresh entry with all that is in it equals its partner, but for its name. */
  readonly equal: Uint8Array;
}

/** Compares all of `fresh` with `base`; without one nothing has a partner. */
export function align(fresh: TreeFiles, base: DigestedFiles | undefined): Alignment {
  const alignment = { partner: new Int32Array(fresh.index.length).fill(-1), equal: new Uint8Array(fresh.index.length) };
  if (base !== undefined) {
    alignEntry(fresh, 0, base, 0, alignment);
    settleDirectories(fresh, base, alignment);
  }
  return alignment;
}

/** Entries that stand for each other; directories are gone through from a list, deep trees need no deep stack. */
function alignEntry(fresh: TreeFiles, root: number, base: DigestedFiles, baseRoot: number, to: Alignment): void {
  const pairs: [number, number][] = [[root, baseRoot]];
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const [a, b] = pair;
    const one = fresh.index[a]!;
    const other = base.index[b]!;
    to.partner[a] = b;
    if (one.kind === kind.directory && other.kind === kind.directory) pairs.push(...pairsWithin(fresh, a, base, b));
    else if (one.kind === other.kind)
      to.equal[a] = (isFile(one) ? sameFile(fresh, a, base, b) : one.target === other.target) ? 1 : 0;
  }
}

function pairsWithin(fresh: TreeFiles, a: number, base: DigestedFiles, b: number): [number, number][] {
  const pairs: [number, number][] = [];
  const added: number[] = [];
  const gone: number[] = [];
  const ours = childrenOf(fresh.index, a);
  const theirs = childrenOf(base.index, b);
  for (let i = 0, j = 0; i < ours.length || j < theirs.length;) {
    const one = fresh.index[ours[i]!];
    const other = base.index[theirs[j]!];
    const order = one === undefined ? 1 : other === undefined ? -1 : compareEntries(one, other);
    if (order === 0) pairs.push([ours[i]!, theirs[j]!]);
    else if (order < 0 && one!.kind === kind.directory) added.push(ours[i]!);
    else if (order > 0 && other!.kind === kind.directory) gone.push(theirs[j]!);
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
  const byName = new Map(gone.map((entry) => [normalised(base.index[entry]!.name), entry]));
  for (const entry of added) {
    const name = normalised(fresh.index[entry]!.name);
    const partner = byName.get(name);
    if (partner === undefined) continue;
    byName.delete(name);
    pairs.push([entry, partner]);
  }
  return pairs;
}

/** A directory equals its partner when all in it does, under the same names, and nothing is gone. */
function settleDirectories(fresh: TreeFiles, base: DigestedFiles, { partner, equal }: Alignment): void {
  for (let entry = fresh.index.length - 1; entry >= 0; entry--) {
    const other = partner[entry]!;
    if (other < 0 || fresh.index[entry]!.kind !== kind.directory || base.index[other]!.kind !== kind.directory)
      continue;
    const children = childrenOf(fresh.index, entry);
    const others = childrenOf(base.index, other);
    const same = (child: number, i: number): boolean =>
      equal[child] === 1 && partner[child] === others[i] && fresh.index[child]!.name === base.index[others[i]!]!.name;
    equal[entry] = children.length === others.length && children.every(same) ? 1 : 0;
  }
}
