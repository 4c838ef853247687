// Files of any kind: each window of the fresh file has runs of its own.

import type { ColumnReader, ColumnWriter } from '../columns.ts';
import { bufferOf, copyInto, type RandomBytes } from '../random-bytes.ts';
import { Excerpt, piecesFor } from './excerpt.ts';
import { Landmarks } from './landmarks.ts';
import { type CodecOptions, type Level, excerptSize, searchedSize, windowSize } from './layout.ts';
import { readLiterals, writeLiterals } from './literals.ts';
import { effortOf, emptyIndex, indexOf, matchBytes } from './match.ts';
import { applyPatches, writePatches } from './patches.ts';
import { expectedAfter, readRuns, writeRuns } from './runs-columns.ts';
import type { Runs } from './runs.ts';
import { Scratch } from './scratch.ts';
import { copyParts, partsOf } from './window.ts';

/** Writes the windows of `fresh`. */
export function* encodePlain(
  old: RandomBytes,
  fresh: RandomBytes,
  level: Level,
  out: ColumnWriter,
  options: CodecOptions,
): Generator<void, void> {
  using held = new DisposableStack();
  const search = searcherOf(old, level, options.searched ?? searchedSize(level), held);
  const [freshScratch, madeScratch] = [held.use(new Scratch()), held.use(new Scratch())];
  let expected = 0;
  let at = 0;
  do {
    const size = Math.min(options.window ?? windowSize, fresh.size - at);
    const bytes = copyInto(freshScratch.take(size), fresh, at);
    const runs = search(bytes, expected);
    writeRuns(out, runs, expected);
    const parts = partsOf(runs, 0, size);
    const made = madeScratch.take(size);
    copyParts(made, parts, old);
    writeLiterals(out, bytes, parts);
    writePatches(out, made, bytes, parts);
    expected = expectedAfter(runs, expected, size);
    at += size;
    yield;
  } while (at < fresh.size);
}

/** Finds the runs of a window, whose first is expected at an old place. */
type Searcher = (fresh: Buffer, expected: number) => Runs;

/** A search of all old bytes where they are at most `limit`, otherwise of an excerpt for each window. */
function searcherOf(old: RandomBytes, level: Level, limit: number, held: DisposableStack): Searcher {
  const effort = effortOf(level, Math.min(old.size, limit));
  if (old.size <= limit) {
    const bytes = old.whole === undefined ? held.use(new Scratch()).copy(old) : bufferOf(old.whole);
    const index = held.use(indexOf(bytes, effort));
    return (fresh, expected) => matchBytes(bytes, index, fresh, effort, expected);
  }
  const landmarks = new Landmarks(old);
  const scratch = held.use(new Scratch());
  const index = held.use(emptyIndex(effort));
  return (fresh, expected) => {
    const pieces = piecesFor(old, landmarks, fresh, expected, Math.min(limit, excerptSize(level)));
    const excerpt = new Excerpt(old, pieces, scratch);
    index.load(excerpt.bytes, 0, excerpt.bytes.length);
    return excerpt.restore(matchBytes(excerpt.bytes, index, fresh, effort, excerpt.placeOf(expected)));
  };
}

/** Reads the windows of `size` fresh bytes; `first` holds the first. */
export function* decodePlain(
  old: RandomBytes,
  size: number,
  first: ColumnReader,
  next: () => ColumnReader,
  options: CodecOptions,
): Generator<Uint8Array, void> {
  using scratch = new Scratch();
  let expected = 0;
  let at = 0;
  do {
    const input = at === 0 ? first : next();
    const length = Math.min(options.window ?? windowSize, size - at);
    const runs = readRuns(input, expected, length, old.size);
    const parts = partsOf(runs, 0, length);
    const made = scratch.take(length);
    copyParts(made, parts, old);
    readLiterals(input, made, parts);
    applyPatches(input, made, parts);
    expected = expectedAfter(runs, expected, length);
    at += length;
    if (length > 0) yield made;
  } while (at < size);
}
