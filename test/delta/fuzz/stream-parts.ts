// A delta stream taken apart into what it says, and put together again: with all lengths right, so that edits in one place are
// not caught in another.

import { brotliCompressSync, constants, zstdCompressSync } from 'node:zlib';
import { ByteReader } from '../../../src/bytes/reader.ts';
import { readBatch } from '../../../src/delta/batch.ts';
import { columnCount as codecColumns } from '../../../src/delta/codec/file.ts';
import { type ColumnReader, ColumnWriter } from '../../../src/delta/columns.ts';
import { allColumns, batchColumn, batchColumns, treeColumns, unit } from '../../../src/delta/layout.ts';
import { openSolid } from '../../../src/delta/open-solid.ts';
import { streamMagic } from '../../../src/delta/unit-source.ts';
import { UnitReader } from '../../../src/delta/unit.ts';
import type { Random } from './random.ts';
import { edited } from './edits.ts';

/** A unit: the columns of trees and of the file codec, and fresh contents; none where the kind has none. */
export interface UnitParts {
  readonly head: number;
  readonly columns: readonly Uint8Array[];
  readonly fresh: Uint8Array;
}

export type BatchParts = readonly UnitParts[];
export type StreamParts = readonly BatchParts[];

const hasContents = (head: number): boolean => head % 4 === unit.last || head % 4 === unit.part;

/** Takes apart what an encoder wrote. */
export async function takenApart(stream: Uint8Array): Promise<StreamParts> {
  await using reader = new ByteReader([stream], 'a stream');
  using solid = openSolid();
  await reader.bytes(streamMagic.length, 'magic');
  const batches: UnitParts[][] = [];
  for (;;) {
    const length = await readLength(reader);
    if (length === 0) return batches;
    const { columns, fresh } = readBatch(Buffer.from(await reader.bytes(length, 'a batch')), 0, 'a stream');
    solid.feed(fresh);
    const units: UnitParts[] = [];
    while (columns.left(batchColumn.unit) > 0) {
      const head = columns.varint(batchColumn.unit);
      if (!hasContents(head)) units.push({ head, columns: [], fresh: new Uint8Array(0) });
      else {
        const parts = new UnitReader(columns);
        const contents = Uint8Array.from(await solid.read(parts.freshSize, {}));
        units.push({
          head,
          columns: [...allOf(parts.tree, treeColumns), ...allOf(parts.codec, codecColumns)],
          fresh: contents,
        });
      }
    }
    batches.push(units);
  }
}

async function readLength(reader: ByteReader): Promise<number> {
  let value = 0;
  for (let unitSize = 1; ; unitSize *= 128) {
    const [byte] = await reader.bytes(1, 'a length');
    value += (byte! & 127) * unitSize;
    if (byte! < 128) return value;
  }
}

const allOf = (reader: ColumnReader, count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => reader.bytes(i, reader.left(i)));

/** Which layers of a stream are edited when it is put together. */
export interface Layers {
  /** Columns of a batch, the batch's own among them. */
  readonly columns: boolean;
  /** How columns are stored, and what they are said to be. */
  readonly stored: boolean;
  /** The bytes of a batch. */
  readonly body: boolean;
  /** The compressed fresh contents. */
  readonly contents: boolean;
  /** The bytes of the whole. */
  readonly bytes: boolean;
}

/** The stream of these parts. */
export function putTogether(parts: StreamParts, layers: Layers, random: Random): Buffer {
  const which = random.below(parts.length);
  let first = true;
  const chunks: Buffer[] = [streamMagic];
  for (const [i, batch] of parts.entries()) {
    const here = i === which ? layers : undefined;
    const body = bodyOf(batch, here, first, random);
    if (batch.some(({ fresh }) => fresh.length > 0)) first = false;
    const edit = here?.body ? edited(body, random) : body;
    chunks.push(number(edit.length), edit);
  }
  chunks.push(Buffer.of(0));
  const whole = Buffer.concat(chunks);
  return layers.bytes ? edited(whole, random) : whole;
}

function bodyOf(units: BatchParts, layers: Layers | undefined, first: boolean, random: Random): Buffer {
  const columns = columnsOf(units);
  if (layers?.columns) {
    for (let left = random.few(3); left > 0; left--) {
      const at = random.oneIn(3) ? random.below(allColumns) : random.below(batchColumns);
      columns[at] = edited(columns[at]!, random);
    }
  }
  const fresh = Buffer.concat(units.map((one) => one.fresh));
  let contents = fresh.length === 0 ? Buffer.alloc(0) : rawFrame(fresh, first);
  if (layers?.contents) contents = edited(contents, random);
  const mask = columns.reduce((bits, bytes, i) => (bytes.length > 0 ? bits + 2 ** i : bits), 0);
  const table: Buffer[] = [number(mask)];
  const stored: Uint8Array[] = [];
  for (const bytes of columns) {
    if (bytes.length === 0) continue;
    const { method, bytes: packed } = layers?.stored ? lyingForm(bytes, random) : { method: 0, bytes };
    const size =
      layers?.stored && random.oneIn(8) ? random.pick([0, bytes.length + 1, 2 ** 20, 2 ** 27]) : bytes.length;
    table.push(number(size * 4 + method));
    if (method !== 0) table.push(number(packed.length));
    stored.push(packed);
  }
  table.push(number(contents.length));
  if (contents.length > 0) table.push(number(fresh.length));
  return Buffer.concat([...table, ...stored, contents]);
}

function columnsOf(units: BatchParts): Uint8Array[] {
  const own = new ColumnWriter(batchColumns);
  const parts: Uint8Array[][] = Array.from({ length: allColumns - batchColumns }, () => []);
  for (const { head, columns, fresh } of units) {
    own.varint(batchColumn.unit, head);
    if (!hasContents(head)) continue;
    own.varint(
      batchColumn.mask,
      columns.reduce((mask, bytes, i) => (bytes.length > 0 ? mask + 2 ** i : mask), 0),
    );
    own.varint(batchColumn.length, fresh.length);
    for (const [i, bytes] of columns.entries()) {
      if (bytes.length === 0) continue;
      own.varint(batchColumn.length, bytes.length);
      parts[i]!.push(bytes);
    }
  }
  return [...own.take(), ...parts.map((part) => Buffer.concat(part))];
}

/** A column in some form, which may be another than it is said to be. */
function lyingForm(bytes: Uint8Array, random: Random): { method: number; bytes: Uint8Array } {
  const method = random.below(3);
  const form = random.oneIn(10) ? random.below(3) : method;
  if (form === 1) return { method, bytes: zstdCompressSync(bytes).subarray(4) };
  if (form === 2) {
    const params = { [constants.BROTLI_PARAM_QUALITY]: 1 };
    return { method: random.oneIn(50) ? 3 : method, bytes: brotliCompressSync(bytes, { params }) };
  }
  return { method, bytes };
}

/** A piece of the zstd frame of fresh contents, in raw blocks; `begins` for its head. */
function rawFrame(fresh: Buffer, begins: boolean): Buffer {
  const parts: Buffer[] = [];
  // no size, no checksum; a window of 2^25
  if (begins) parts.push(Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, (25 - 10) << 3));
  for (let at = 0; at < fresh.length; at += 128 * 1024) {
    const block = fresh.subarray(at, at + 128 * 1024);
    const head = block.length << 3;
    parts.push(Buffer.of(head & 255, (head >> 8) & 255, head >> 16), block);
  }
  return Buffer.concat(parts);
}

function number(value: number): Buffer {
  const out = new ColumnWriter(1);
  out.varint(0, value);
  return Buffer.from(out.take()[0]!);
}
