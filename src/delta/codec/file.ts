// One file made out of a similar one: runs copied from the old file, patched where bytes differ, and literal bytes. Windows
// bound the memory for files of any size. Described in docs/formats/delta.md.

import type { ColumnReader, ColumnWriter } from '../columns.ts';
import type { RandomBytes } from '../random-bytes.ts';
import { decodeDump, encodeDump, openDumps } from './dumped.ts';
import { decodeExecutable, encodeExecutable, openExecutables } from './executable.ts';
import { decodeExpanded, encodeExpanded, openExpanded } from './expanded.ts';
import { encodeInPlace, isAlike } from './in-place.ts';
import { type CodecOptions, column, type Level, mode } from './layout.ts';
import { decodePlain, encodePlain } from './plain.ts';

export { columnCount, type CodecOptions, type Level } from './layout.ts';

/**
 * Appends to `out` what turns `old` into `fresh`. Yields once after each window, of which there is at least one: there the
 * columns may be taken. Unlike files become literals.
 */
export function* encodeFile(
  old: RandomBytes,
  fresh: RandomBytes,
  level: Level,
  out: ColumnWriter,
  options: CodecOptions = {},
): Generator<void, void> {
  if (isAlike(old, fresh)) {
    out.varint(column.head, mode.plain);
    yield* encodeInPlace(old, fresh, out, options);
    return;
  }
  const executables = openExecutables(old, fresh);
  const expanded = executables === undefined ? openExpanded(old, fresh) : undefined;
  const dumps = executables === undefined && expanded === undefined ? openDumps(old, fresh) : undefined;
  if (executables !== undefined) yield* encodeExecutable(executables, level, out, options);
  else if (expanded !== undefined) yield* encodeExpanded(expanded, level, out, options);
  else if (dumps !== undefined) yield* encodeDump(dumps, { old, fresh }, level, out, options);
  else {
    out.varint(column.head, mode.plain);
    yield* encodePlain(old, fresh, level, out, options);
  }
}

/**
 * Yields exactly `size` bytes of the fresh file, in chunks that are borrowed until the next, or throws `format`. `next` is
 * called once before each window, in step with the yields of encodeFile, for the reader that holds its columns; the options
 * must be those of encodeFile.
 */
export function* decodeFile(
  old: RandomBytes,
  size: number,
  next: () => ColumnReader,
  options: CodecOptions = {},
): Generator<Uint8Array, void> {
  const input = next();
  const how = input.varint(column.head);
  if (how === mode.plain) yield* decodePlain(old, size, input, next, options);
  else if (how === mode.executable) yield* decodeExecutable(old, size, input, next, options);
  else if (how === mode.dump) yield* decodeDump(old, size, input, next, options);
  else yield* decodeExpanded(how, old, size, input, next, options);
}
