// Extension of a match that tolerates bytes that differ: each equal byte counts for it, each other one against it, and it
// ends where the sum was highest. A byte that differs costs a patch (its place and its value), about what two literals cost.

import type { Buffer } from 'node:buffer';

/** Weight of an equal byte. */
export const gain = 2;
/** Weight of a byte that differs. */
export const loss = 3;
/** An extension is given up when its sum lies this far below its highest. */
const patience = 96;
/** After this many equal bytes in a row, the next ones are compared in blocks. */
const calm = 64;
const block = 1024;

/** Two files that are compared. */
export interface Sides {
  readonly old: Buffer;
  readonly fresh: Buffer;
  readonly oldView: DataView;
  readonly freshView: DataView;
}

/** Bytes from `freshAt` and `oldAt` on, below `freshEnd`, that are worth one run. */
export function extendForward(sides: Sides, oldAt: number, freshAt: number, freshEnd: number): number {
  const { old, fresh, oldView, freshView } = sides;
  const limit = Math.min(freshEnd - freshAt, old.length - oldAt);
  let sum = 0;
  let best = 0;
  let length = 0;
  let equal = 0;
  let i = 0;
  while (i < limit) {
    if (old[oldAt + i] === fresh[freshAt + i]) {
      const start = i++;
      while (i + 4 <= limit && oldView.getInt32(oldAt + i, true) === freshView.getInt32(freshAt + i, true)) {
        i += 4;
        if (i - start >= calm) break;
      }
      sum += gain * (i - start);
      equal += i - start;
      if (equal >= calm && i + block <= limit) {
        while (
          i + block <= limit &&
          fresh.compare(old, oldAt + i, oldAt + i + block, freshAt + i, freshAt + i + block) === 0
        ) {
          i += block;
          sum += block * gain;
        }
        equal = 0;
      }
      if (sum > best) {
        best = sum;
        length = i;
      }
    } else {
      i++;
      equal = 0;
      sum -= loss;
      if (sum < best - patience) break;
    }
  }
  return length;
}

/** Bytes before `freshAt` and `oldAt`, not below `freshStart`, that are worth adding to a run. */
export function extendBackward(old: Buffer, oldAt: number, fresh: Buffer, freshAt: number, freshStart: number): number {
  const limit = Math.min(freshAt - freshStart, oldAt);
  let sum = 0;
  let best = 0;
  let length = 0;
  for (let i = 1; i <= limit; i++) {
    if (old[oldAt - i] === fresh[freshAt - i]) {
      sum += gain;
      if (sum > best) {
        best = sum;
        length = i;
      }
    } else {
      sum -= loss;
      if (sum < best - patience) break;
    }
  }
  return length;
}

/** Equal bytes from two places on, at most `limit`. */
export function equalBytes(old: Buffer, oldAt: number, fresh: Buffer, freshAt: number, limit: number): number {
  let i = 0;
  while (i < limit && old[oldAt + i] === fresh[freshAt + i]) i++;
  return i;
}

/** Equal bytes before two places, at most `limit`. */
export function equalBytesBefore(old: Buffer, oldAt: number, fresh: Buffer, freshAt: number, limit: number): number {
  let i = 0;
  while (i < limit && old[oldAt - i - 1] === fresh[freshAt - i - 1]) i++;
  return i;
}
