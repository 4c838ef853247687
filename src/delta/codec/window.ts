// A window: a stretch of a fresh file that is made at once.

import type { RandomBytes } from '../random-bytes.ts';
import type { Runs } from './runs.ts';

/** Old bytes that are read at once. */
const piece = 1 << 20;

/** A part of a run that lies in a window. */
export interface Part {
  /** Places in the window. */
  readonly begin: number;
  readonly end: number;
  /** Place of begin in the old file. */
  readonly old: number;
}

/** The parts of runs that lie in [start, end) of the fresh bytes the runs were made for, in order. */
export function partsOf(runs: Runs, start: number, end: number): Part[] {
  const parts: Part[] = [];
  for (let i = firstRun(runs, start); i < runs.count && runs.fresh[i]! < end; i++) {
    const begin = Math.max(runs.fresh[i]!, start);
    const stop = Math.min(runs.fresh[i]! + runs.length[i]!, end);
    parts.push({ begin: begin - start, end: stop - start, old: runs.old[i]! + begin - runs.fresh[i]! });
  }
  return parts;
}

/** The first run that ends behind `start`. */
function firstRun(runs: Runs, start: number): number {
  let low = 0;
  let high = runs.count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (runs.fresh[middle]! + runs.length[middle]! <= start) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Copies the parts out of the old file into `window`. */
export function copyParts(window: Buffer, parts: readonly Part[], old: RandomBytes): void {
  for (const part of parts) {
    for (let done = part.begin; done < part.end; done += piece) {
      const length = Math.min(piece, part.end - done);
      window.set(old.read(part.old + done - part.begin, length), done);
    }
  }
}
