// Files of one size that differ in a few bytes (a build id, a date): one run for each window, and nothing is searched.

import type { ColumnWriter } from '../columns.ts';
import { copyInto, type RandomBytes } from '../random-bytes.ts';
import { type CodecOptions, windowSize } from './layout.ts';
import { writeLiterals } from './literals.ts';
import { writePatches } from './patches.ts';
import { writeRuns } from './runs-columns.ts';
import { Runs } from './runs.ts';
import { Scratch } from './scratch.ts';

const piece = 1 << 16;
const block = 1024;
/** Smaller files are searched soon enough. */
const smallest = 1 << 18;
/** So many bytes may differ, and one more of each `rarity`. Where more do, a search may find what moved. */
const few = 48;
const rarity = 32768;

/** Whether files differ in so few bytes that no search is worth it. */
export function isAlike(old: RandomBytes, fresh: RandomBytes): boolean {
  const { size } = fresh;
  if (old.size !== size || size < smallest) return false;
  const limit = few + size / rarity;
  let different = 0;
  for (let at = 0; at < size && different <= limit; at += piece) {
    const length = Math.min(piece, size - at);
    different += differing(old.read(at, length), fresh.read(at, length));
  }
  return different <= limit;
}

function differing(a: Uint8Array, b: Uint8Array): number {
  let count = 0;
  for (let from = 0; from < a.length; from += block) {
    const end = Math.min(a.length, from + block);
    if (Buffer.compare(a.subarray(from, end), b.subarray(from, end)) === 0) continue;
    for (let i = from; i < end; i++) if (a[i] !== b[i]) count++;
  }
  return count;
}

/** Writes the windows of `fresh`, as decodePlain reads them. */
export function* encodeInPlace(
  old: RandomBytes,
  fresh: RandomBytes,
  out: ColumnWriter,
  options: CodecOptions,
): Generator<void, void> {
  using freshScratch = new Scratch();
  using oldScratch = new Scratch();
  for (let at = 0; at < fresh.size;) {
    const size = Math.min(options.window ?? windowSize, fresh.size - at);
    const runs = new Runs();
    runs.push(0, at, size);
    writeRuns(out, runs, at);
    const bytes = copyInto(freshScratch.take(size), fresh, at);
    const parts = [{ begin: 0, end: size, old: at }];
    writeLiterals(out, bytes, parts);
    writePatches(out, copyInto(oldScratch.take(size), old, at), bytes, parts);
    at += size;
    yield;
  }
}
