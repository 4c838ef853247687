// Executables: the fresh file's headers come first, so that both sides know its addresses.

import { formatError } from '../../errors.ts';
import type { ColumnReader, ColumnWriter } from '../columns.ts';
import { giveFieldsBack } from '../elf/field-list.ts';
import { findFields, findTableFields } from '../elf/fields.ts';
import { type ElfImage, parseElf } from '../elf/image.ts';
import { label } from '../elf/labels.ts';
import { makeRoom } from '../give-back.ts';
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
  makeRoom(old.size + fresh.size);
  const runs = matchExecutables(pair, level, options);
  const header = copyOf(fresh, 0, pair.freshImage.headersEnd);
  const ground = groundOf(old, oldImage, header);
  if (ground === undefined) throw new RangeError('headers that are none without their file');
  out.varint(column.head, mode.executable);
  writeHeaders(out, old, header);
  try {
    yield* encodePredicted(ground, runs, fresh, out, options);
  } finally {
    giveFieldsBack(ground.fields);
  }
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
  try {
    yield header;
    yield* decodePredicted(ground, size, first, next, options);
  } finally {
    giveFieldsBack(ground.fields);
  }
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
  using oldScratch = new Scratch();
  using freshScratch = new Scratch();
  const oldBytes = labelled(oldScratch.copy(old), old, oldImage, find);
  const freshBytes = labelled(freshScratch.copy(fresh), fresh, freshImage, find).subarray(freshImage.headersEnd);
  const effort = effortOf(level, old.size);
  using index = indexOf(oldBytes, effort);
  return matchBytes(oldBytes, index, freshBytes, effort, freshImage.headersEnd);
}

/** `bytes`, a copy of the file, with labels in it. */
function labelled(bytes: Buffer, file: RandomBytes, image: ElfImage, find: typeof findFields): Buffer {
  const fields = find(file, image);
  label(bytes, fields, image);
  giveFieldsBack(fields);
  return bytes;
}

/** Only the old file is held as a whole. */
function matchWindows({ old, fresh, freshImage }: Executables, level: Level, options: CodecOptions): Runs {
  const start = freshImage.headersEnd;
  using oldScratch = new Scratch();
  const bytes = oldScratch.copy(old);
  const effort = effortOf(level, old.size);
  using index = indexOf(bytes, effort);
  using scratch = new Scratch();
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
