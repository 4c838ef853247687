// Finds for each new path what it was made from before: paths of an old closure that are likely to be much the same. Both
// graphs are walked, because names repeat: what is alone by its name is a landmark, and what lies in the same place
// between landmarks belongs together. A wrong pair costs bytes, never correctness.

import type { StorePath } from '../model/store-path.ts';
import { pairByPlace } from './pairing-colours.ts';
import { packageOf } from './pairing-classes.ts';
import type { PairedInfo } from './pairing-graph.ts';
import { sideOf } from './pairing-graph.ts';
import { PairingState } from './pairing-state.ts';
import { pairByReferences, pairByVotes } from './pairing-votes.ts';

export type { PairedInfo } from './pairing-graph.ts';

export interface ClosurePair {
  readonly fresh: ReadonlyMap<StorePath, PairedInfo>;
  readonly freshRoots: Iterable<StorePath>;
  readonly old: ReadonlyMap<StorePath, PairedInfo>;
  readonly oldRoots: Iterable<StorePath>;
}

/** Most bases of one path, the first included. */
const maxBases = 4;

/**
 * Bases of each fresh path, the best first; none for a path that nothing is like. A path of both closures has itself
 * alone. The same for the same closures, in whatever order they are given.
 */
export function pairClosures({ fresh, freshRoots, old, oldRoots }: ClosurePair): Map<StorePath, StorePath[]> {
  const state = new PairingState(sideOf(fresh, freshRoots), sideOf(old, oldRoots));
  state.pairSingles(state.classes.fresh, state.classes.old);
  pairByPlace(state);
  pairByVotes(state);
  pairByReferences(state);
  const further = furtherBases(state);
  return new Map(
    state.fresh.paths.map((path, index) => {
      const first = state.baseOf[index]!;
      const bases = first === -1 ? further(index) : [first, ...(state.old.paths[first] === path ? [] : further(index))];
      return [path, bases.slice(0, maxBases).map((base) => state.old.paths[base]!)];
    }),
  );
}

/** Old paths of the same package that nobody has as a base: their files may have moved. */
function furtherBases(state: PairingState): (index: number) => number[] {
  const orphans = new Map<string, number[]>();
  const all = new Map<string, number[]>();
  for (const [index, name] of state.old.names.entries()) {
    const key = familyOf(name);
    (all.get(key) ?? all.set(key, []).get(key)!).push(index);
    if (state.heirOf[index] === -1) (orphans.get(key) ?? orphans.set(key, []).get(key)!).push(index);
  }
  return (index) => {
    const key = familyOf(state.fresh.names[index]!);
    return (state.baseOf[index] === -1 ? all : orphans).get(key) ?? [];
  };
}

/** The package alone: all its outputs and versions are one family, its derivations another. */
function familyOf(name: string): string {
  return `${packageOf(name).name} ${name.endsWith('.drv') ? 'drv' : ''}`;
}
