// Executables: the fresh file's headers come first, then the runs of the whole file, so that both sides know where each old
// place went and can predict the addresses in what is copied.

import { formatError } from '../../errors.ts';
import type { ColumnReader, ColumnWriter } from '../columns.ts';
import { findFields } from '../elf/fields.ts';
import { type ElfImage, parseElf } from '../elf/image.ts';
import { labelled } from '../elf/labels.ts';
import { inMemory, type RandomBytes } from '../random-bytes.ts';
import { type CodecOptions, column, executableLimit, type Level, mode, windowSize } from './layout.ts';
import { readLiterals, writeLiterals } from './literals.ts';
import { effortOf, indexOf, matchBytes } from './match.ts';
import { MendReader, MendWriter } from './mends.ts';
import { applyPatches, writePatches } from './patches.ts';
import { Predictor } from './predictor.ts';
import { readRuns, writeRuns } from './runs-columns.ts';
import type { Runs } from './runs.ts';
import { copyParts, partsOf } from './window.ts';

/** Two executables of one machine, small enough. */
export interface Executables {
  readonly old: RandomBytes;
  readonly oldImage: ElfImage;
  readonly fresh: RandomBytes;
  readonly freshImage: ElfImage;
}

/** The images of two files; undefined where addresses are not predicted. */
export function openExecutables(old: RandomBytes, fresh: RandomBytes): Executables | undefined {
  if (old.size > executableLimit || fresh.size > executableLimit) return undefined;
  const oldImage = parseElf(old);
  const freshImage = oldImage && parseElf(fresh);
  if (oldImage === undefined || freshImage?.machine !== oldImage.machine) return undefined;
  return { old, oldImage, fresh, freshImage };
}

/** Writes headers and runs with the first window, then the other windows. */
export function* encodeExecutable(
  pair: Executables,
  level: Level,
  out: ColumnWriter,
  options: CodecOptions,
): Generator<void, void> {
  const { old, oldImage, fresh } = pair;
  const header = Buffer.from(fresh.read(0, pair.freshImage.headersEnd));
  out.varint(column.head, mode.executable);
  writeHeaders(out, old, header);
  const image = parseElf(inMemory(header));
  if (image === undefined) throw new RangeError('headers that are none without their file');
  const runs = matchExecutables(pair, level);
  writeRuns(out, runs, header.length);
  const fields = findFields(old.read(0, old.size), oldImage);
  const predictor = new Predictor({
    old: oldImage,
    fresh: image,
    fields,
    runs,
    start: header.length,
    oldSize: old.size,
  });
  const mends = new MendWriter(out, image);
  let at = header.length;
  do {
    const size = Math.min(options.window ?? windowSize, fresh.size - at);
    const bytes = Buffer.from(fresh.read(at, size));
    const parts = partsOf(runs, at - header.length, at - header.length + size);
    const made = Buffer.alloc(size);
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

/** Reads what encodeExecutable wrote; `first` holds the first window. */
export function* decodeExecutable(
  old: RandomBytes,
  size: number,
  first: ColumnReader,
  next: () => ColumnReader,
  options: CodecOptions,
): Generator<Uint8Array, void> {
  if (old.size > executableLimit || size > executableLimit)
    throw formatError(
      'a delta between executables that are too big',
      {},
      { expected: `at most ${executableLimit} bytes` },
    );
  const header = readHeaders(first, old, size);
  const oldImage = parseElf(old);
  const image = parseElf(inMemory(header));
  if (oldImage === undefined || image === undefined)
    throw formatError('a delta between executables for files that are none', {});
  yield header;
  const runs = readRuns(first, header.length, size - header.length, old.size);
  const fields = findFields(old.read(0, old.size), oldImage);
  const predictor = new Predictor({
    old: oldImage,
    fresh: image,
    fields,
    runs,
    start: header.length,
    oldSize: old.size,
  });
  let at = header.length;
  do {
    const input = at === header.length ? first : next();
    const length = Math.min(options.window ?? windowSize, size - at);
    const parts = partsOf(runs, at - header.length, at - header.length + length);
    const made = Buffer.allocUnsafe(length);
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

/** Headers are coded as a copy of the old file's first bytes. */
function writeHeaders(out: ColumnWriter, old: RandomBytes, header: Buffer): void {
  const common = Math.min(header.length, old.size);
  out.varint(column.head, header.length);
  const parts = [{ begin: 0, end: common, old: 0 }];
  writeLiterals(out, header, parts);
  writePatches(out, Buffer.from(old.read(0, common)), header, parts);
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

/** At `best` the files are matched as images where fields are labels of what they point to, so that moved code looks equal. */
function matchExecutables({ old, oldImage, fresh, freshImage }: Executables, level: Level): Runs {
  const oldBytes = toMatch(old, oldImage, level);
  const freshBytes = toMatch(fresh, freshImage, level).subarray(freshImage.headersEnd);
  const effort = effortOf(level, old.size);
  return matchBytes(oldBytes, indexOf(oldBytes, effort), freshBytes, effort, freshImage.headersEnd);
}

function toMatch(file: RandomBytes, image: ElfImage, level: Level): Buffer {
  const bytes = file.read(0, file.size);
  if (level === 'fast') return Buffer.from(bytes);
  const labels = labelled(bytes, findFields(bytes, image), image);
  return Buffer.from(labels.buffer, labels.byteOffset, labels.length);
}
