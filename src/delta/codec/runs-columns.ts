// Runs in columns: literal bytes before each, its length, and how far its old place lies from where the last one ended.

import { formatError } from '../../errors.ts';
import type { ColumnReader, ColumnWriter } from '../columns.ts';
import { column } from './layout.ts';
import { Runs } from './runs.ts';

/** Writes runs. `expected`: where in the old file the first is likely to begin. */
export function writeRuns(out: ColumnWriter, runs: Runs, expected: number): void {
  out.varint(column.head, runs.count);
  let end = 0;
  let oldEnd = expected;
  for (let i = 0; i < runs.count; i++) {
    const gap = runs.fresh[i]! - end;
    out.varint(column.gap, gap);
    out.varint(column.length, runs.length[i]!);
    out.signed(column.seek, runs.old[i]! - oldEnd - gap);
    end = runs.fresh[i]! + runs.length[i]!;
    oldEnd = runs.old[i]! + runs.length[i]!;
  }
}

/** Reads the runs of `size` fresh bytes out of an old file of `oldSize` bytes. */
export function readRuns(input: ColumnReader, expected: number, size: number, oldSize: number): Runs {
  const runs = new Runs();
  const count = input.varint(column.head);
  let end = 0;
  let oldEnd = expected;
  for (let i = 0; i < count; i++) {
    const gap = input.varint(column.gap);
    const length = input.varint(column.length);
    const old = oldEnd + gap + input.signed(column.seek);
    if (length === 0 || gap + length > size - end) throw outside('fresh', end + gap, length, size);
    if (!(old >= 0 && old + length <= oldSize)) throw outside('old', old, length, oldSize);
    runs.push(end + gap, old, length);
    end += gap + length;
    oldEnd = old + length;
  }
  return runs;
}

/** Where in the old file the bytes behind `size` fresh ones are likely to stand. */
export function expectedAfter(runs: Runs, expected: number, size: number): number {
  const last = runs.count - 1;
  return last < 0 ? expected + size : runs.old[last]! + size - runs.fresh[last]!;
}

function outside(file: string, at: number, length: number, size: number): Error {
  const got = `${length} bytes from ${at} on`;
  return formatError(`a delta's run that leaves the ${file} file`, {}, { expected: `bytes below ${size}`, got });
}
