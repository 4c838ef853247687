// Patches: the copied bytes that differ, each by the number of copied bytes since the last and what is to be added.

import { formatError } from '../../errors.ts';
import type { ColumnReader, ColumnWriter } from '../columns.ts';
import { column } from './layout.ts';
import type { Part } from './window.ts';

const block = 4096;

/** Writes what turns `made` into `fresh` within the parts. */
export function writePatches(out: ColumnWriter, made: Buffer, fresh: Buffer, parts: readonly Part[]): void {
  let count = 0;
  let skip = 0;
  for (const { begin, end } of parts) {
    let at = begin;
    while (at < end) {
      const stop = Math.min(end, at + block);
      if (made.compare(fresh, at, stop, at, stop) === 0) {
        skip += stop - at;
        at = stop;
        continue;
      }
      for (; at < stop; at++) {
        const difference = (fresh[at]! - made[at]!) & 255;
        if (difference === 0) {
          skip++;
          continue;
        }
        out.varint(column.skip, skip);
        out.byte(column.patch, difference);
        skip = 0;
        count++;
      }
    }
  }
  out.varint(column.head, count);
}

/** Reads patches and adds them to `made`. */
export function applyPatches(input: ColumnReader, made: Buffer, parts: readonly Part[]): void {
  const count = input.varint(column.head);
  let part = 0;
  let at = parts[0]?.begin ?? 0;
  for (let i = 0; i < count; i++) {
    at += input.varint(column.skip);
    while (part < parts.length && at >= parts[part]!.end) {
      at += (parts[part + 1]?.begin ?? at) - parts[part]!.end;
      part++;
    }
    if (part >= parts.length) throw formatError('a delta that patches bytes behind the copied ones', {});
    made[at] = made[at]! + input.byte(column.patch);
    at++;
  }
}
