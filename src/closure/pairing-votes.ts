// The judgement of pairing: neighbours that are paired vote for the neighbours of their bases.

import type { PairingState } from './pairing-state.ts';

/** Lists longer than this tell nothing about a place, and would make the walk quadratic. */
const telling = 512;

/** Least share of references in common for paths that no name brings together. */
const similar = 0.5;

/** Votes for old paths, by index. */
type Votes = Map<number, number>;

/** Votes of what lies above and below a fresh path; `accepts` says which old paths may be elected. */
function votesFor(state: PairingState, index: number, accepts: (old: number) => boolean): Votes {
  const votes: Votes = new Map();
  const { fresh, old, baseOf } = state;
  for (const [near, back] of [
    [fresh.above[index]!, old.below],
    [fresh.below[index]!, old.above],
  ] as const) {
    for (const neighbour of near.slice(0, telling)) {
      const base = baseOf[neighbour]!;
      if (base === -1 || back[base]!.length > telling) continue;
      const elected = back[base]!.filter(accepts);
      for (const candidate of elected) votes.set(candidate, (votes.get(candidate) ?? 0) + 1 / elected.length);
    }
  }
  return votes;
}

interface Ballot {
  readonly fresh: number;
  readonly old: number;
  readonly score: number;
  /** How far the sizes are apart: 0 for equal ones. */
  readonly distance: number;
}

const byScore = (a: Ballot, b: Ballot): number =>
  b.score - a.score || a.distance - b.distance || a.fresh - b.fresh || a.old - b.old;

function distanceOf(state: PairingState, fresh: number, old: number): number {
  return Math.abs(Math.log((state.fresh.sizes[fresh]! + 1) / (state.old.sizes[old]! + 1)));
}

/** Pairs what is left of each class: by votes, then by size. Classes go from the roots down, so that places are known. */
export function pairByVotes(state: PairingState): void {
  const waiting = new Map<number, number[]>();
  for (const index of state.fresh.order.toReversed()) {
    const id = state.classes.fresh[index]!;
    if (id === -1 || state.baseOf[index] !== -1) continue;
    const list = waiting.get(id) ?? [];
    list.push(index);
    waiting.set(id, list);
  }
  for (const [id, fresh] of waiting) {
    electWithin(state, id, fresh);
    settleBySize(state, id, fresh);
  }
}

function electWithin(state: PairingState, id: number, fresh: readonly number[]): void {
  const members = new Set(state.classes.members[id]);
  const ballots: Ballot[] = [];
  for (const index of fresh) {
    const weight = 1 + state.fresh.above[index]!.length + state.fresh.below[index]!.length;
    for (const [old, votes] of votesFor(state, index, (candidate) => members.has(candidate)))
      ballots.push({ fresh: index, old, score: votes / weight, distance: distanceOf(state, index, old) });
  }
  for (const { fresh: index, old } of ballots.sort(byScore))
    if (state.baseOf[index] === -1 && state.heirOf[old] === -1) state.pair(index, old);
  // who is left has a base that is somebody's already
  for (const { fresh: index, old } of ballots) if (state.baseOf[index] === -1) state.pair(index, old);
}

/** For paths that nobody voted for: free ones in the order of their sizes, then the one of the nearest size. */
function settleBySize(state: PairingState, id: number, fresh: readonly number[]): void {
  const left = fresh.filter((index) => state.baseOf[index] === -1);
  if (left.length === 0) return;
  const bySize = (sizes: readonly number[]) => (a: number, b: number) => sizes[a]! - sizes[b]! || a - b;
  const members = state.classes.members[id]!.toSorted(bySize(state.old.sizes));
  const free = members.filter((old) => state.heirOf[old] === -1);
  for (const [at, index] of left.sort(bySize(state.fresh.sizes)).entries())
    state.pair(index, free[at] ?? nearest(members, state.old.sizes, state.fresh.sizes[index]!));
}

function nearest(members: readonly number[], sizes: readonly number[], size: number): number {
  let best = members[0]!;
  for (const old of members) if (Math.abs(sizes[old]! - size) < Math.abs(sizes[best]! - size)) best = old;
  return best;
}

/** Pairs paths that no name brings together by what they refer to, and roots with roots. */
export function pairByReferences(state: PairingState): void {
  const { fresh, old, baseOf } = state;
  for (const index of fresh.order.toReversed()) {
    if (baseOf[index] !== -1 || fresh.below[index]!.length < 2) continue;
    const best = mostSimilar(state, index);
    if (best !== -1) state.pair(index, best);
  }
  const [root, oldRoot] = [fresh.roots[0], old.roots[0]];
  const alone = fresh.roots.length === 1 && old.roots.length === 1;
  if (alone && baseOf[root!] === -1 && fresh.below[root!]!.length > 0) state.pair(root!, oldRoot!);
}

function mostSimilar(state: PairingState, index: number): number {
  const { fresh, old, baseOf, heirOf } = state;
  const derivation = fresh.names[index]!.endsWith('.drv');
  const shared: Votes = new Map();
  for (const reference of fresh.below[index]!) {
    const base = baseOf[reference]!;
    if (base === -1 || old.above[base]!.length > telling) continue;
    for (const referrer of old.above[base]!) shared.set(referrer, (shared.get(referrer) ?? 0) + 1);
  }
  let best = -1;
  let most = 0;
  for (const [candidate, count] of [...shared].sort(([a], [b]) => a - b)) {
    if (old.names[candidate]!.endsWith('.drv') !== derivation) continue;
    const all = fresh.below[index]!.length + old.below[candidate]!.length - count;
    const share = count / all + (heirOf[candidate] === -1 ? 1e-6 : 0);
    if (share < similar || share <= most) continue;
    [best, most] = [candidate, share];
  }
  return best;
}
