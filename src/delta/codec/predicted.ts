// Files with predicted fields: the runs of the whole file come with the first window, so that both sides know where each old
// place went.

import type { ColumnReader, ColumnWriter } from '../columns.ts';
import { copyInto, type RandomBytes } from '../random-bytes.ts';
import type { Ground } from './ground.ts';
import { type CodecOptions, windowSize } from './layout.ts';
import { readLiterals, writeLiterals } from './literals.ts';
import { MendReader, MendWriter } from './mends.ts';
import { applyPatches, writePatches } from './patches.ts';
import { Predictor } from './predictor.ts';
import { readRuns, writeRuns } from './runs-columns.ts';
import type { Runs } from './runs.ts';
import { Scratch } from './scratch.ts';
import { copyParts, partsOf } from './window.ts';

/** Writes the runs, which count from `start` of the fresh file, and the windows. */
export function* encodePredicted(
  ground: Ground,
  runs: Runs,
  fresh: RandomBytes,
  out: ColumnWriter,
  options: CodecOptions,
): Generator<void, void> {
  const { old, freshImage, start } = ground;
  writeRuns(out, runs, start);
  const predictor = new Predictor(ground, runs);
  const mends = new MendWriter(out, freshImage);
  using freshScratch = new Scratch();
  using madeScratch = new Scratch();
  let at = start;
  do {
    const size = Math.min(options.window ?? windowSize, fresh.size - at);
    const bytes = copyInto(freshScratch.take(size), fresh, at);
    const parts = partsOf(runs, at - start, at - start + size);
    const made = madeScratch.take(size);
    copyParts(made, parts, old);
    mends.begin(bytes);
    for (const part of parts) predictor.predict(made, part, at, mends);
    mends.end();
    writeLiterals(out, bytes, parts);
    writePatches(out, made, bytes, parts);
    at += size;
    yield;
  } while (at < fresh.size);
}

/** Reads what encodePredicted wrote; yields the bytes from `start` to `size`. */
export function* decodePredicted(
  ground: Ground,
  size: number,
  first: ColumnReader,
  next: () => ColumnReader,
  options: CodecOptions,
): Generator<Uint8Array, void> {
  const { old, start } = ground;
  const runs = readRuns(first, start, size - start, old.size);
  const predictor = new Predictor(ground, runs);
  using scratch = new Scratch();
  let at = start;
  do {
    const input = at === start ? first : next();
    const length = Math.min(options.window ?? windowSize, size - at);
    const parts = partsOf(runs, at - start, at - start + length);
    const made = scratch.take(length);
    copyParts(made, parts, old);
    const mends = new MendReader(input);
    for (const part of parts) predictor.predict(made, part, at, mends);
    mends.expectEnd();
    readLiterals(input, made, parts);
    applyPatches(input, made, parts);
    at += length;
    if (length > 0) yield made;
  } while (at < size);
}
