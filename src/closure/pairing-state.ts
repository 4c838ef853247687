// What a pairing in the making knows, and the step that needs no judgement: paths that are alone in their place.

import type { Classes } from './pairing-classes.ts';
import { classesOf } from './pairing-classes.ts';
import type { Side } from './pairing-graph.ts';

export class PairingState {
  readonly fresh: Side;
  readonly old: Side;
  readonly classes: Classes;
  /** The first base of each fresh path; -1: none yet. */
  readonly baseOf: Int32Array;
  /** The fresh path that an old one is the first base of; -1: free. */
  readonly heirOf: Int32Array;

  constructor(fresh: Side, old: Side) {
    this.fresh = fresh;
    this.old = old;
    this.classes = classesOf(fresh, old);
    this.baseOf = new Int32Array(fresh.paths.length).fill(-1);
    this.heirOf = new Int32Array(old.paths.length).fill(-1);
    const indexes = new Map(old.paths.map((path, index) => [path, index]));
    for (const [index, path] of fresh.paths.entries()) {
      const same = indexes.get(path);
      if (same !== undefined) this.pair(index, same);
    }
  }

  pair(fresh: number, old: number): void {
    this.baseOf[fresh] = old;
    if (this.heirOf[old] === -1) this.heirOf[old] = fresh;
  }

  /** Pairs what is the only unpaired path of its key on both sides. Keys below 0 are none. Tells how many were. */
  pairSingles(freshKeys: Int32Array, oldKeys: Int32Array): number {
    const [fresh, old] = [singles(freshKeys, this.baseOf), singles(oldKeys, this.heirOf)];
    let paired = 0;
    for (const [key, index] of fresh) {
      const partner = old.get(key) ?? -1;
      if (index < 0 || partner < 0) continue;
      this.pair(index, partner);
      paired++;
    }
    return paired;
  }
}

/** The only free index of each key; -1 where there are several. */
function singles(keys: Int32Array, partners: Int32Array): Map<number, number> {
  const found = new Map<number, number>();
  for (const [index, key] of keys.entries()) {
    if (key < 0 || partners[index] !== -1) continue;
    found.set(key, found.has(key) ? -1 : index);
  }
  return found;
}
