// Literals: the bytes of a window that no run gives.

import type { ColumnReader, ColumnWriter } from '../columns.ts';
import { column } from './layout.ts';
import type { Part } from './window.ts';

export function writeLiterals(out: ColumnWriter, fresh: Buffer, parts: readonly Part[]): void {
  let end = 0;
  for (const part of parts) {
    out.bytes(column.literal, fresh.subarray(end, part.begin));
    end = part.end;
  }
  out.bytes(column.literal, fresh.subarray(end));
}

export function readLiterals(input: ColumnReader, window: Buffer, parts: readonly Part[]): void {
  let end = 0;
  for (const part of parts) {
    window.set(input.bytes(column.literal, part.begin - end), end);
    end = part.end;
  }
  window.set(input.bytes(column.literal, window.length - end), end);
}
