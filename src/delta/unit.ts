// A unit is what one path has in one batch: bytes for some of the columns, and fresh contents. A path too large for a batch has
// several. Each says how much of every column is its own, so that a path that fails can be passed over.

import { BlockPool, Blocks } from './blocks.ts';
import { columnCount as codecColumns } from './codec/file.ts';
import { ColumnReader, ColumnWriter } from './columns.ts';
import { giveBack } from './give-back.ts';
import { allColumns, batchColumn, batchColumns, firstCodecColumn, firstTreeColumn, treeColumns } from './layout.ts';

/** Gathers a unit. */
export class UnitWriter {
  readonly tree: ColumnWriter = new ColumnWriter(treeColumns);
  readonly codec: ColumnWriter = new ColumnWriter(codecColumns);
  readonly #fresh: Blocks;

  constructor(pool: BlockPool = new BlockPool()) {
    this.#fresh = new Blocks(pool);
  }

  /** Bytes gathered, of columns and contents. */
  get size(): number {
    return this.tree.size + this.codec.size + this.#fresh.size;
  }

  /** Adds fresh contents; they are copied. */
  fresh(contents: Uint8Array): void {
    this.#fresh.add(contents);
  }

  /** Appends all to the columns and contents of a batch and begins again. */
  moveTo(batch: ColumnWriter, fresh: Blocks): void {
    const taken = [...this.tree.take(), ...this.codec.take()];
    let mask = 0;
    for (const [i, bytes] of taken.entries()) if (bytes.length > 0) mask += 2 ** i;
    batch.varint(batchColumn.mask, mask);
    batch.varint(batchColumn.length, this.#fresh.size);
    for (const [i, bytes] of taken.entries()) {
      if (bytes.length === 0) continue;
      batch.varint(batchColumn.length, bytes.length);
      batch.bytes(firstTreeColumn + i, bytes);
      giveBack(bytes);
    }
    this.#fresh.moveTo(fresh);
  }

  /** Forgets what was gathered. */
  drop(): void {
    for (const bytes of [...this.tree.take(), ...this.codec.take()]) giveBack(bytes);
    this.#fresh.drop();
  }
}

/** A unit as it is read. */
export class UnitReader {
  readonly tree: ColumnReader;
  readonly codec: ColumnReader;
  readonly freshSize: number;
  /** Bytes of each of the batch's columns from the trees' on. */
  readonly sizes: readonly number[];
  /** Fresh contents that have not been read. */
  freshLeft: number;

  /** Takes the next unit's part of all columns of `batch`. */
  constructor(batch: ColumnReader) {
    const mask = batch.varint(batchColumn.mask);
    this.freshSize = batch.varint(batchColumn.length);
    this.freshLeft = this.freshSize;
    const parts: Uint8Array[] = [];
    for (let i = batchColumns; i < allColumns; i++) {
      const used = Math.floor(mask / 2 ** (i - batchColumns)) % 2 === 1;
      parts.push(batch.bytes(i, used ? batch.varint(batchColumn.length) : 0));
    }
    this.sizes = parts.map((part) => part.length);
    this.tree = new ColumnReader(parts.slice(0, treeColumns), 'tree');
    this.codec = new ColumnReader(parts.slice(firstCodecColumn - firstTreeColumn), 'file delta');
  }

  /** True when there is nothing in it. */
  get empty(): boolean {
    return this.freshSize === 0 && this.sizes.every((size) => size === 0);
  }

  /** True when all of it was read. */
  get exhausted(): boolean {
    if (this.freshLeft > 0) return false;
    for (let i = 0; i < treeColumns; i++) if (this.tree.left(i) > 0) return false;
    for (let i = 0; i < codecColumns; i++) if (this.codec.left(i) > 0) return false;
    return true;
  }
}
