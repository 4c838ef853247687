// A batch: units of consecutive paths, their columns gathered and squeezed one by one, and the compressed fresh contents that
// they need. It is read as a whole; so its size is bounded, and what it says of itself is checked before anything is allocated.

import { BlockPool, Blocks } from './blocks.ts';
import { ColumnReader, ColumnWriter } from './columns.ts';
import type { Level } from './codec/file.ts';
import { NarrowError, formatError } from '../errors.ts';
import { giveBack } from './give-back.ts';
import { allColumns, batchColumn, batchColumns, unit } from './layout.ts';
import type { SolidEncoder } from './solid.ts';
import { squeeze, unsqueeze } from './squeeze.ts';
import type { Squeezed } from './squeeze.ts';
import type { Tally } from './report.ts';
import type { UnitWriter } from './unit.ts';

/** A batch may say that its columns have at most so many bytes, or as many of compressed contents. */
export const batchLimit: number = 64 * 1024 * 1024;

/** What a unit is to the account of its path: how many bytes of each column, and of contents. */
interface Share {
  readonly tally: Tally;
  readonly columns: readonly number[];
  readonly fresh: number;
}

/** Gathers one batch. */
export class BatchWriter {
  readonly #columns = new ColumnWriter(allColumns);
  readonly #fresh: Blocks;
  #shares: Share[] = [];
  #same = 0;
  #units = 0;

  constructor(pool: BlockPool = new BlockPool()) {
    this.#fresh = new Blocks(pool);
  }

  /** Bytes gathered, before compression. */
  get size(): number {
    return this.#columns.size + this.#fresh.size;
  }

  get empty(): boolean {
    return this.#units === 0 && this.#same === 0;
  }

  /** A path that is its first base. */
  same(): void {
    this.#same++;
  }

  /** A unit with contents; of `kind` last or part. */
  unit(kind: number, contents: UnitWriter, tally: Tally): void {
    this.#settle();
    this.#columns.varint(batchColumn.unit, kind);
    this.#units++;
    const before = this.#columns.sizes;
    const freshBefore = this.#fresh.size;
    contents.moveTo(this.#columns, this.#fresh);
    const size = this.#fresh.size - freshBefore;
    const columns = this.#columns.sizes.map((bytes, i) => bytes - before[i]!);
    this.#shares.push({ tally, columns, fresh: size });
    tally.freshBytes += size;
  }

  absent(): void {
    this.#settle();
    this.#columns.varint(batchColumn.unit, unit.absent);
    this.#units++;
  }

  /** Writes down paths that are the same; they are counted until something else comes. */
  #settle(): void {
    if (this.#same === 0) return;
    this.#columns.varint(batchColumn.unit, unit.same + 4 * (this.#same - 1));
    this.#same = 0;
    this.#units++;
  }

  /** Takes all that was gathered; the promise is the batch as it travels. */
  take(solid: SolidEncoder, level: Level): Promise<Buffer> {
    this.#settle();
    const columns = this.#columns.take();
    const shares = this.#shares;
    const fresh = this.#fresh.take();
    this.#shares = [];
    this.#units = 0;
    return packBatch(columns, fresh, shares, solid, level);
  }
}

async function packBatch(
  columns: readonly Uint8Array[],
  fresh: Blocks,
  shares: readonly Share[],
  solid: SolidEncoder,
  level: Level,
): Promise<Buffer> {
  const [contents, squeezed] = await Promise.all([solid.add(fresh.parts()), squeezeAll(columns, level)]);
  const freshSize = fresh.size;
  fresh.drop();
  account(columns, squeezed, freshSize, contents.length, shares);
  const head = new ColumnWriter(1);
  head.varint(
    0,
    columns.reduce((mask, bytes, i) => (bytes.length > 0 ? mask + 2 ** i : mask), 0),
  );
  for (const [i, { method, bytes }] of squeezed.entries()) {
    if (columns[i]!.length === 0) continue;
    head.varint(0, columns[i]!.length * 4 + method);
    if (method !== 0) head.varint(0, bytes.length);
  }
  head.varint(0, contents.length);
  if (contents.length > 0) head.varint(0, freshSize);
  const [table] = head.take();
  const body = Buffer.concat([table!, ...squeezed.map(({ bytes }) => bytes), contents]);
  for (const bytes of columns) giveBack(bytes);
  head.varint(0, body.length);
  return Buffer.concat([head.take()[0]!, body]);
}

/** One after the other: compressors at work at the same time would each take their memory. */
async function squeezeAll(columns: readonly Uint8Array[], level: Level): Promise<Squeezed[]> {
  const squeezed: Squeezed[] = [];
  for (const bytes of columns) squeezed.push(await squeeze(bytes, level));
  return squeezed;
}

/** Charges each path with its part of what its columns and contents came to; the batch's own columns are nobody's. */
function account(
  columns: readonly Uint8Array[],
  squeezed: readonly Squeezed[],
  freshSize: number,
  freshStored: number,
  shares: readonly Share[],
): void {
  for (const { tally, columns: sizes, fresh: part } of shares) {
    for (const [i, size] of sizes.entries())
      if (size > 0 && i >= batchColumns) tally.bytes += (size / columns[i]!.length) * squeezed[i]!.bytes.length;
    if (part > 0) tally.bytes += (part / freshSize) * freshStored;
  }
}

/** A batch that was read. */
export interface Batch {
  readonly columns: ColumnReader;
  /** Bytes on the wire for each byte of a column. */
  readonly ratios: readonly number[];
  /** Compressed contents, and how many bytes they become. */
  readonly fresh: Uint8Array;
  readonly freshSize: number;
}

/** Reads a batch; `offset` is where its body begins in the stream. */
export function readBatch(body: Uint8Array, offset: number, name: string): Batch {
  const place = { source: name, offset };
  const head = new ColumnReader([body], 'batch');
  const sizes: { size: number; method: number; stored: number }[] = [];
  let total = 0;
  const mask = head.varint(0);
  for (let i = 0; i < allColumns; i++) {
    const value = Math.floor(mask / 2 ** i) % 2 === 1 ? head.varint(0) : 0;
    const how = value % 4;
    const size = Math.floor(value / 4);
    const stored = how === 0 ? size : head.varint(0);
    total += size;
    sizes.push({ size, method: how, stored });
  }
  if (total > batchLimit)
    throw formatError('a batch with too much in it', place, {
      expected: `columns of at most ${batchLimit} bytes`,
      got: `${total}`,
    });
  const freshStored = head.varint(0);
  const freshSize = freshStored > 0 ? head.varint(0) : 0;
  const columns = sizes.map(({ size, method, stored }) =>
    unsqueeze({ method, bytes: head.bytes(0, stored) }, size, place),
  );
  const fresh = head.bytes(0, freshStored);
  head.expectEnd();
  const ratios = sizes.map(({ size, stored }) => (size === 0 ? 0 : stored / size));
  return { columns: new ColumnReader(columns, 'batch'), ratios, fresh, freshSize };
}

/** Refuses the length of a batch that no encoder writes. */
export function checkBatchLength(length: number, offset: number, name: string): void {
  if (length <= 2 * batchLimit) return;
  const expected = `at most ${2 * batchLimit} bytes`;
  throw formatError('a batch that is too long', { source: name, offset }, { expected, got: `${length}` });
}

/** An error that concerns one path alone. */
export function absentError(name: string): NarrowError {
  return new NarrowError('unavailable', `the other side could not read ${name}`, {
    hint: 'look there for why; the path can be taken from another source',
  });
}
