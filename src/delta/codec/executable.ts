// Executables: the fresh file's headers come first, so that both sides know its addresses.

import { formatError } from '../../errors.ts';
import type { ColumnReader, ColumnWriter } from '../columns.ts';
import { findFields, findTableFields } from '../elf/fields.ts';
import { type ElfImage, parseElf } from '../elf/image.ts';
import { label } from '../elf/labels.ts';
import { copyInto, copyOf, inMemory, type RandomBytes } from '../random-bytes.ts';
import type { Ground } from './ground.ts';
import { type CodecOptions, column, type Level, mode, predictedLimit, windowSize } from './layout.ts';
import { readLiterals, writeLiterals } from './literals.ts';
import { effortOf, indexOf, matchBytes } from './match.ts';
import { applyPatches, writePatches } from './patches.ts';
import { decodePredicted, encodePredicted } from './predicted.ts';
import { expectedAfter } from './runs-columns.ts';
import { Runs } from './runs.ts';
import { Scratch } from './scratch.ts';

/** Bigger files are not held both at once at `fast`. */
const labelledSize = 32 * 1024 * 1024;

/** Two executables of one machine, small enough. */
export interface Executables {
  readonly old: RandomBytes;
  readonly oldImage: ElfImage;
  readonly fresh: RandomBytes;
  readonly freshImage: ElfImage;
}

/** The images of two files; undefined where addresses are not predicted. */
export function openExecutables(old: RandomBytes, fresh: RandomBytes): Executables | undefined {
  if (old.size > predictedLimit || fresh.size > predictedLimit) return undefined;
  const oldImage = parseElf(old);
  const freshImage = oldImage && parseElf(fresh);
  if (oldImage === undefined || freshImage?.machine !== oldImage.machine) return undefined;
  return { old, oldImage, fresh, freshImage };
}

/** Writes the headers with the first window, then the rest of the file. */
export function* encodeExecutable(
  pair: Executables,
  level: Level,
  out: ColumnWriter,
  options: CodecOptions,
): Generator<void, void> {
  const { old, oldImage, fresh } = pair;
  // Before anything else is held: matching needs most memory.
  const runs = matchExecutables(pair, level, options);
  const header = copyOf(fresh, 0, pair.freshImage.headersEnd);
  const ground = groundOf(old, oldImage, header);
  if (ground === undefined) throw new RangeError('headers that are none without their file');
  out.varint(column.head, mode.executable);
  writeHeaders(out, old, header);
  yield* encodePredicted(ground, runs, fresh, out, options);
}

/** Reads what encodeExecutable wrote behind the mode. */
export function* decodeExecutable(
  old: RandomBytes,
  size: number,
  first: ColumnReader,
  next: () => ColumnReader,
  options: CodecOptions,
): Generator<Uint8Array, void> {
  const header = readHeaders(first, old, size);
  const oldImage = old.size <= predictedLimit && size <= predictedLimit ? parseElf(old) : undefined;
  const ground = oldImage && groundOf(old, oldImage, header);
  if (ground === undefined) throw formatError('a delta between executables for files that are none, or too big', {});
  yield header;
  yield* decodePredicted(ground, size, first, next, options);
}

function groundOf(old: RandomBytes, oldImage: ElfImage, header: Buffer): Ground | undefined {
  const freshImage = parseElf(inMemory(header));
  if (freshImage === undefined) return undefined;
  return { old, oldImage, fields: findFields(old, oldImage), freshImage, start: header.length };
}

/** Headers are coded as a copy of the old file's first bytes. */
function writeHeaders(out: ColumnWriter, old: RandomBytes, header: Buffer): void {
  const common = Math.min(header.length, old.size);
  out.varint(column.head, header.length);
  const parts = [{ begin: 0, end: common, old: 0 }];
  writeLiterals(out, header, parts);
  writePatches(out, copyOf(old, 0, common), header, parts);
}

function readHeaders(input: ColumnReader, old: RandomBytes, size: number): Buffer {
  const length = input.varint(column.head);
  if (length > size) throw formatError('headers longer than their file', {}, { expected: `${size}`, got: `${length}` });
  const header = Buffer.alloc(length);
  const common = Math.min(length, old.size);
  header.set(old.read(0, common));
  const parts = [{ begin: 0, end: common, old: 0 }];
  readLiterals(input, header, parts);
  applyPatches(input, header, parts);
  return header;
}

/**
 * The files are matched as images where fields are labels of what they point to, so that what only moved looks equal: all
 * fields at `best`, at `fast` those of tables, whose entries look alike otherwise.
 */
function matchExecutables(pair: Executables, level: Level, options: CodecOptions): Runs {
  const { old, oldImage, fresh, freshImage } = pair;
  if (level === 'fast' && Math.max(old.size, fresh.size) > labelledSize) return matchWindows(pair, level, options);
  const find = level === 'fast' ? findTableFields : findFields;
  const oldBytes = labelled(old, oldImage, find);
  const freshBytes = labelled(fresh, freshImage, find).subarray(freshImage.headersEnd);
  const effort = effortOf(level, old.size);
  return matchBytes(oldBytes, indexOf(oldBytes, effort), freshBytes, effort, freshImage.headersEnd);
}

function labelled(file: RandomBytes, image: ElfImage, find: typeof findFields): Buffer {
  const bytes = copyOf(file, 0, file.size);
  label(bytes, find(file, image), image);
  return bytes;
}

/** Only the old file is held as a whole. */
function matchWindows({ old, fresh, freshImage }: Executables, level: Level, options: CodecOptions): Runs {
  const start = freshImage.headersEnd;
  const bytes = copyOf(old, 0, old.size);
  const effort = effortOf(level, old.size);
  const index = indexOf(bytes, effort);
  const scratch = new Scratch();
  const runs = new Runs();
  let expected = start;
  for (let at = start; at < fresh.size;) {
    const window = copyInto(scratch.take(Math.min(options.window ?? windowSize, fresh.size - at)), fresh, at);
    const found = matchBytes(bytes, index, window, effort, expected);
    runs.append(found, at - start);
    expected = expectedAfter(found, expected, window.length);
    at += window.length;
  }
  return runs;
}
