// Dumps of memory against each other: the address of each one's first byte is sent, by which both sides know its pointers.

import { formatError } from '../../errors.ts';
import type { ColumnReader, ColumnWriter } from '../columns.ts';
import type { RandomBytes } from '../random-bytes.ts';
import { blank, dumpFields, dumpImage, originOf } from './dump.ts';
import type { Ground } from './ground.ts';
import { type CodecOptions, column, type Level, mode, predictedLimit } from './layout.ts';
import { effortOf, indexOf, matchBytes } from './match.ts';
import { decodePredicted, encodePredicted } from './predicted.ts';
import type { Runs } from './runs.ts';
import { Scratch } from './scratch.ts';

/** Smaller files have not enough pointers to be told from chance. */
const smallest = 64 * 1024;

/** Where the first bytes of two dumps stood. */
export interface Dumps {
  readonly oldOrigin: number;
  readonly freshOrigin: number;
}

/** The origins of two files; undefined where one is no dump. */
export function openDumps(old: RandomBytes, fresh: RandomBytes): Dumps | undefined {
  if (!isSized(old.size) || !isSized(fresh.size)) return undefined;
  using scratch = new Scratch();
  const oldOrigin = originOf(old.whole ?? scratch.copy(old));
  if (oldOrigin === undefined) return undefined;
  const freshOrigin = originOf(fresh.whole ?? scratch.copy(fresh));
  return freshOrigin === undefined ? undefined : { oldOrigin, freshOrigin };
}

function isSized(size: number): boolean {
  return size >= smallest && size <= predictedLimit;
}

export function* encodeDump(
  { oldOrigin, freshOrigin }: Dumps,
  { old, fresh }: { readonly old: RandomBytes; readonly fresh: RandomBytes },
  level: Level,
  out: ColumnWriter,
  options: CodecOptions,
): Generator<void, void> {
  out.varint(column.head, mode.dump);
  out.varint(column.head, oldOrigin);
  out.varint(column.head, freshOrigin);
  const ground = groundOf(old, oldOrigin, freshOrigin, fresh.size);
  const runs = matchDumps(ground, fresh, level);
  yield* encodePredicted(ground, runs, fresh, out, options);
}

/** The files are matched without their pointers. */
function matchDumps({ old, fields, freshImage }: Ground, fresh: RandomBytes, level: Level): Runs {
  using oldScratch = new Scratch();
  using freshScratch = new Scratch();
  const oldBytes = oldScratch.copy(old);
  blank(oldBytes, fields);
  const freshBytes = freshScratch.copy(fresh);
  blank(freshBytes, dumpFields(freshBytes, freshImage));
  const effort = effortOf(level, old.size);
  using index = indexOf(oldBytes, effort);
  return matchBytes(oldBytes, index, freshBytes, effort, 0);
}

/** Reads what encodeDump wrote behind the mode. */
export function* decodeDump(
  old: RandomBytes,
  size: number,
  first: ColumnReader,
  next: () => ColumnReader,
  options: CodecOptions,
): Generator<Uint8Array, void> {
  if (!isSized(old.size) || !isSized(size)) throw formatError('a delta between dumps for files of other sizes', {});
  const oldOrigin = first.varint(column.head);
  const freshOrigin = first.varint(column.head);
  yield* decodePredicted(groundOf(old, oldOrigin, freshOrigin, size), size, first, next, options);
}

function groundOf(old: RandomBytes, oldOrigin: number, freshOrigin: number, size: number): Ground {
  using scratch = new Scratch();
  const oldImage = dumpImage(oldOrigin, old.size);
  return {
    old,
    oldImage,
    fields: dumpFields(old.whole ?? scratch.copy(old), oldImage),
    freshImage: dumpImage(freshOrigin, size),
    start: 0,
  };
}
