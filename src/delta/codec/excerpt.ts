// Excerpts of an old file that is too big to be searched as a whole: the blocks that a window of the fresh file seems to come
// from, one behind the other.

import type { RandomBytes } from '../random-bytes.ts';
import type { Landmarks } from './landmarks.ts';
import { Runs } from './runs.ts';
import type { Scratch } from './scratch.ts';

const block = 1 << 16;

/** A stretch of an old file. */
export interface Piece {
  readonly start: number;
  readonly end: number;
}

/** Old bytes to be searched, and where they stand in the old file. */
export class Excerpt {
  readonly bytes: Buffer;
  /** Where in `bytes` each piece begins that is of one stretch of the old file; ascending. */
  readonly #begin: readonly number[];
  readonly #old: readonly number[];

  constructor(old: RandomBytes, pieces: readonly Piece[], scratch: Scratch) {
    this.bytes = scratch.take(pieces.reduce((sum, { start, end }) => sum + end - start, 0));
    const begin: number[] = [];
    let size = 0;
    for (const { start, end } of pieces) {
      begin.push(size);
      for (let at = start; at < end; at += block) {
        const bytes = old.read(at, Math.min(block, end - at));
        this.bytes.set(bytes, size);
        size += bytes.length;
      }
    }
    this.#begin = begin;
    this.#old = pieces.map(({ start }) => start);
  }

  /** The place in `bytes` of an old place, or where it would stand. */
  placeOf(old: number): number {
    const piece = Math.max(
      0,
      this.#old.findLastIndex((start) => start <= old),
    );
    return (this.#begin[piece] ?? 0) + Math.max(0, old - (this.#old[piece] ?? 0));
  }

  /** Runs out of `bytes` as runs out of the old file. */
  restore(runs: Runs): Runs {
    const restored = new Runs();
    for (let i = 0; i < runs.count; i++) {
      let at = runs.old[i]!;
      const end = at + runs.length[i]!;
      for (let piece = this.#pieceAt(at); at < end; piece++) {
        const stop = Math.min(end, this.#begin[piece + 1] ?? end);
        restored.push(runs.fresh[i]! + at - runs.old[i]!, this.#old[piece]! + at - this.#begin[piece]!, stop - at);
        at = stop;
      }
    }
    return restored;
  }

  #pieceAt(at: number): number {
    let low = 0;
    let high = this.#begin.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#begin[middle]! <= at) low = middle;
      else high = middle;
    }
    return low;
  }
}

/**
 * What a window's excerpt is made of: the blocks that hold most landmarks of `fresh`, with their neighbours, and those around
 * `expected`, `limit` bytes in all.
 */
export function piecesFor(
  old: RandomBytes,
  landmarks: Landmarks,
  fresh: Buffer,
  expected: number,
  limit: number,
): Piece[] {
  const count = Math.ceil(old.size / block);
  const hits = new Uint32Array(count);
  landmarks.visit(fresh, (place) => {
    hits[Math.floor(place / block)]!++;
  });
  const likely: number[] = [];
  for (const [i, number] of hits.entries()) if (number > 0) likely.push(i);
  likely.sort((a, b) => hits[b]! - hits[a]!);
  const chosen = new Uint8Array(count);
  let left = Math.floor(limit / block);
  const choose = (i: number): void => {
    if (left === 0 || i < 0 || i >= count || chosen[i] === 1) return;
    chosen[i] = 1;
    left--;
  };
  for (const i of likely) choose(i);
  for (const i of likely) {
    choose(i - 1);
    choose(i + 1);
  }
  const around = Math.floor(expected / block);
  for (let i = -1; i <= Math.ceil(fresh.length / block); i++) choose(around + i);
  return piecesOf(chosen, old.size);
}

function piecesOf(chosen: Uint8Array, size: number): { start: number; end: number }[] {
  const pieces: { start: number; end: number }[] = [];
  for (const [i, yes] of chosen.entries()) {
    if (yes === 0) continue;
    const start = i * block;
    const end = Math.min(size, start + block);
    const last = pieces.at(-1);
    if (last?.end === start) last.end = end;
    else pieces.push({ start, end });
  }
  return pieces;
}
