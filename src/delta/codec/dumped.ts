// Dumps of memory against each other: the address of each one's first byte is sent, by which both sides know its pointers.

import { formatError } from '../../errors.ts';
import type { ColumnReader, ColumnWriter } from '../columns.ts';
import { copyOf, type RandomBytes } from '../random-bytes.ts';
import { dumpFields, dumpImage, blanked, originOf } from './dump.ts';
import type { Ground } from './ground.ts';
import { type CodecOptions, column, type Level, mode, predictedLimit } from './layout.ts';
import { effortOf, indexOf, matchBytes } from './match.ts';
import { decodePredicted, encodePredicted } from './predicted.ts';

/** Smaller files have not enough pointers to be told from chance. */
const smallest = 64 * 1024;

/** Two dumps. */
export interface Dumps {
  readonly old: Buffer;
  readonly oldOrigin: number;
  readonly fresh: Buffer;
  readonly freshOrigin: number;
}

/** The origins of two files; undefined where one is no dump. */
export function openDumps(old: RandomBytes, fresh: RandomBytes): Dumps | undefined {
  if (!isSized(old.size) || !isSized(fresh.size)) return undefined;
  const oldBytes = copyOf(old, 0, old.size);
  const oldOrigin = originOf(oldBytes);
  if (oldOrigin === undefined) return undefined;
  const freshBytes = copyOf(fresh, 0, fresh.size);
  const freshOrigin = originOf(freshBytes);
  return freshOrigin === undefined ? undefined : { old: oldBytes, oldOrigin, fresh: freshBytes, freshOrigin };
}

function isSized(size: number): boolean {
  return size >= smallest && size <= predictedLimit;
}

export function* encodeDump(
  { old, oldOrigin, fresh, freshOrigin }: Dumps,
  files: { readonly old: RandomBytes; readonly fresh: RandomBytes },
  level: Level,
  out: ColumnWriter,
  options: CodecOptions,
): Generator<void, void> {
  out.varint(column.head, mode.dump);
  out.varint(column.head, oldOrigin);
  out.varint(column.head, freshOrigin);
  const ground = groundOf(files.old, oldOrigin, freshOrigin, fresh.length);
  const effort = effortOf(level, old.length);
  const oldBlank = blanked(old, ground.fields);
  const freshBlank = blanked(fresh, dumpFields(fresh, ground.freshImage));
  const runs = matchBytes(oldBlank, indexOf(oldBlank, effort), freshBlank, effort, 0);
  yield* encodePredicted(ground, runs, files.fresh, out, options);
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
  const oldImage = dumpImage(oldOrigin, old.size);
  return {
    old,
    oldImage,
    fields: dumpFields(copyOf(old, 0, old.size), oldImage),
    freshImage: dumpImage(freshOrigin, size),
    start: 0,
  };
}
