// Colours tell paths of one class apart by their place: two paths have the same colour when they are of one class and
// what lies below (or above) them has the same colours. A paired path is a colour of its own, known on both sides.

import type { PairingState } from './pairing-state.ts';
import type { Side } from './pairing-graph.ts';

type Direction = 'below' | 'above';

/** Rounds in which pairs found by one place may name others; each costs one walk of all references. */
const maxRounds = 8;

/** Pairs what is alone in its place, again with each found pair as a new landmark. */
export function pairByPlace(state: PairingState): void {
  for (let round = 0; round < maxRounds; round++) {
    let paired = 0;
    for (const direction of ['below', 'above'] as const) {
      const colours = coloursOf(state, direction);
      paired += state.pairSingles(colours.fresh, colours.old);
    }
    if (paired === 0) return;
  }
}

/** Colours of both sides; -1 for paired paths and those without a class. */
export function coloursOf(state: PairingState, direction: Direction): { fresh: Int32Array; old: Int32Array } {
  const { fresh, old, classes, baseOf, heirOf } = state;
  const known = new Map<string, number>();
  // colours below this are landmarks: the index of the fresh path of the pair
  const landmarks = fresh.paths.length;
  const freshMarks = baseOf.map((base) => (base === -1 ? -1 : heirOf[base]!));
  const free = (colours: Int32Array): Int32Array => colours.map((id) => Math.max(id - landmarks, -1));
  return {
    fresh: free(colour(fresh, direction, classes.fresh, freshMarks, known, landmarks)),
    old: free(colour(old, direction, classes.old, heirOf, known, landmarks)),
  };
}

function colour(
  side: Side,
  direction: Direction,
  classes: Int32Array,
  marks: Int32Array,
  known: Map<string, number>,
  landmarks: number,
): Int32Array {
  const colours = Int32Array.from(marks);
  const order = direction === 'below' ? side.order : side.order.toReversed();
  for (const index of order) {
    if (colours[index] !== -1 || classes[index] === -1) continue;
    const around = side[direction][index]!.map((neighbour) => colours[neighbour]!).filter((id) => id !== -1);
    const key = `${classes[index]}:${Int32Array.from(around).sort().join()}`;
    const id = known.get(key) ?? known.size;
    known.set(key, id);
    colours[index] = landmarks + id;
  }
  return colours;
}
