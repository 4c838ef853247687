// The matcher: finds the runs of fresh bytes that old bytes give cheaply. A seed (a short string that stands in both) starts
// a run, extension that tolerates differing bytes makes it long; gaps that remain are searched again, with shorter seeds,
// around the places where their neighbours lie.

import { equalBytes, equalBytesBefore, extendBackward, extendForward, gain, loss, type Sides } from './extend.ts';
import type { Level } from './layout.ts';
import { realign } from './realign.ts';
import { Runs } from './runs.ts';
import { SeedTable } from './seed-table.ts';
import { SeedIndex, type Seeds } from './seeds.ts';

/** How hard is searched. */
export interface Effort {
  /** Bytes of a seed in the search over all old bytes. */
  readonly seed: number;
  /** Each how many old bytes a seed is taken. */
  readonly step: number;
  /** Places with one hash that are looked at. */
  readonly tries: number;
  /** Bytes of a seed in the search around gaps; 0: none is made. */
  readonly gapSeed: number;
}

/** The effort that a level allows for old bytes of this size: the index takes at most about 100 MB. */
export function effortOf(level: Level, size: number): Effort {
  if (level === 'fast') return { seed: 16, step: size > 1 << 25 ? 32 : 8, tries: 2, gapSeed: 0 };
  return { seed: size > 1 << 25 ? 16 : 12, step: size > 1 << 25 ? 4 : 1, tries: 16, gapSeed: 8 };
}

/** A search of one range of fresh bytes in one range of old bytes. */
interface Search extends Sides {
  readonly index: Seeds;
  readonly tries: number;
  /** The sum of gains and losses that a run must reach. */
  readonly least: number;
}

/** An empty index, as matchBytes searches it. */
export function emptyIndex({ seed, step, tries }: Effort): Seeds {
  return tries > 2 ? new SeedIndex(seed, step) : new SeedTable(seed, step);
}

/** The index that matchBytes searches for all fresh bytes of a file. */
export function indexOf(old: Buffer, effort: Effort): Seeds {
  const index = emptyIndex(effort);
  index.load(old, 0, old.length);
  return index;
}

/** The runs of `fresh` that `old` gives; `expected` is where in the old bytes the first is likely to begin. */
export function matchBytes(old: Buffer, index: Seeds, fresh: Buffer, effort: Effort, expected: number): Runs {
  const runs = new Runs();
  const sides = { old, fresh, oldView: viewOf(old), freshView: viewOf(fresh) };
  searchRange({ ...sides, index, tries: effort.tries, least: 32 }, 0, fresh.length, expected, runs);
  if (effort.gapSeed === 0) return runs;
  const filled = fillGaps(sides, runs, effort.gapSeed, expected);
  return realign({ old, fresh, index, tries: effort.tries }, filled);
}

/** Adds the runs of fresh bytes from `start` to `end`; `shift` (old minus fresh place) is tried everywhere first. */
function searchRange(search: Search, start: number, end: number, shift: number, runs: Runs): void {
  const { old, fresh, index, freshView: view, oldView } = search;
  const last = end - index.length;
  let covered = start;
  let at = start;
  while (at <= last) {
    let place = at + shift;
    let straight = place >= 0 && place + 8 <= old.length;
    straight &&=
      oldView.getInt32(place, true) === view.getInt32(at, true) &&
      oldView.getInt32(place + 4, true) === view.getInt32(at + 4, true);
    if (!straight) {
      place = bestPlace(search, at, end, at + shift);
      if (place < 0) {
        at++;
        continue;
      }
    }
    const forward = extendForward(search, place, at, end);
    const backward = extendBackward(old, place, fresh, at, covered);
    if (
      forward + backward < search.least / gain ||
      (!straight && !isWorth(search, place - backward, at - backward, forward + backward))
    ) {
      at++;
      continue;
    }
    const length = forward + backward;
    const before = backward === at - covered ? overlap(search, runs, place - backward, covered, start) : 0;
    runs.push(at - backward - before, place - backward - before, length + before);
    covered = at + forward;
    at = covered;
    shift = place - (covered - forward);
  }
}

function isWorth({ old, fresh, least }: Search, oldAt: number, freshAt: number, length: number): boolean {
  let sum = 0;
  for (let i = 0; i < length && sum < least; i++) sum += old[oldAt + i] === fresh[freshAt + i] ? gain : -loss;
  return sum >= least;
}

/** The place whose seed at `at` has the longest equal string around it; the one nearest to `expected` of equals. */
function bestPlace(search: Search, at: number, end: number, expected: number): number {
  const { old, fresh, index, freshView: view, oldView } = search;
  let best = -1;
  let bestLength = index.length - 1;
  let place = index.find(view, at);
  for (let tries = search.tries; place >= 0 && tries > 0; tries--, place = index.next(place)) {
    if (oldView.getInt32(place, true) !== view.getInt32(at, true)) continue;
    const limit = Math.min(end - at, old.length - place, 512);
    const length = equalBytes(old, place, fresh, at, limit);
    if (length < index.length) continue;
    const around = length + equalBytesBefore(old, place, fresh, at, Math.min(at, place, 64));
    if (around < bestLength || (around === bestLength && Math.abs(place - expected) >= Math.abs(best - expected)))
      continue;
    best = place;
    bestLength = around;
  }
  return best;
}

/** How far a run that begins right behind the last one may grow into it with profit; the last one is cut there. */
function overlap({ old, fresh }: Search, runs: Runs, oldAt: number, freshAt: number, start: number): number {
  const last = runs.count - 1;
  if (last < 0 || runs.fresh[last]! < start || runs.fresh[last]! + runs.length[last]! !== freshAt) return 0;
  const lastOld = runs.old[last]! + runs.length[last]!;
  const limit = Math.min(runs.length[last]! - 1, oldAt, 4096);
  let sum = 0;
  let best = 0;
  let length = 0;
  for (let i = 1; i <= limit; i++) {
    const byte = fresh[freshAt - i];
    const here = old[oldAt - i] === byte;
    const there = old[lastOld - i] === byte;
    if (here === there) continue;
    sum += here ? gain + loss : -gain - loss;
    if (sum > best) {
      best = sum;
      length = i;
    } else if (sum < best - 64) break;
  }
  runs.length[last]! -= length;
  return length;
}

/** Searches the gaps between runs, each in the old bytes around its neighbours. */
function fillGaps(sides: Sides, runs: Runs, seed: number, expected: number): Runs {
  const filled = new Runs();
  const { old, fresh } = sides;
  const search: Search = { ...sides, index: new SeedIndex(seed, 1), tries: 8, least: 20 };
  let covered = 0;
  let oldEnd = expected;
  for (let i = 0; i <= runs.count; i++) {
    const begin = i < runs.count ? runs.fresh[i]! : fresh.length;
    const next = i < runs.count ? runs.old[i]! : old.length;
    if (begin - covered >= seed) fillGap(search, [covered, begin], [oldEnd, next], filled);
    if (i === runs.count) break;
    filled.push(begin, next, runs.length[i]!);
    covered = begin + runs.length[i]!;
    oldEnd = next + runs.length[i]!;
  }
  return filled;
}

type Range = readonly [start: number, end: number];

/** `range`: the gap; `around`: where in the old bytes the run before it ends and the one behind it begins. */
function fillGap(search: Search, [start, end]: Range, [before, after]: Range, runs: Runs): void {
  const { old, index } = search;
  const reach = 2 * (end - start) + 256;
  const [low, high] =
    after > before && after - before <= reach ? [before - 64, after + 64] : [before - 128, before + reach];
  index.load(old, Math.max(0, low), Math.min(old.length, high));
  searchRange(search, start, end, before - start, runs);
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
