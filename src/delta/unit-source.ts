// The stream as its reader needs it: unit after unit, and the fresh contents of each. What fails here concerns the whole
// stream, and everything after it fails with it.

import type { ByteReader } from '../bytes/reader.ts';
import { formatError } from '../errors.ts';
import { checkBatchLength, readBatch } from './batch.ts';
import type { Batch } from './batch.ts';
import { batchColumn, firstTreeColumn, unit } from './layout.ts';
import { openSolid } from './open-solid.ts';
import { UnitReader } from './unit.ts';

/** What a stream begins with: its name and version. */
export const streamMagic: Buffer = Buffer.from('nrwdelt\x01', 'latin1');

export interface UnitHead {
  readonly kind: number;
  /** What the unit cost on the wire, in bytes. */
  readonly bytes: number;
  /** Only of units with contents. */
  readonly contents: UnitReader | undefined;
}

export class UnitSource implements Disposable {
  readonly #reader: ByteReader;
  readonly name: string;
  readonly #solid = openSolid();
  #batch: Batch | undefined;
  /** Fresh contents that units of the batch at hand may still have. */
  #freshLeft = 0;
  /** Paths still to come that are the same as their bases. */
  #same = 0;
  #started = false;
  #failure: unknown;

  constructor(reader: ByteReader, name: string) {
    this.#reader = reader;
    this.name = name;
  }

  /** The next unit. */
  next(): Promise<UnitHead> {
    return this.#guarded(() => this.#next());
  }

  /** The next fresh contents of `from`, at most as many bytes as it has left. */
  fresh(from: UnitReader, size: number): Promise<Buffer> {
    return this.#guarded(async () => {
      const contents = await this.#solid.read(size, this.#place());
      from.freshLeft -= size;
      return contents;
    });
  }

  /** Passes over the contents that `from` has left. */
  async skip(from: UnitReader): Promise<void> {
    while (from.freshLeft > 0) await this.fresh(from, Math.min(from.freshLeft, 256 * 1024));
  }

  /** Fails unless the stream ends here. */
  end(): Promise<void> {
    return this.#guarded(async () => {
      if (this.#same > 0 || (await this.#load()))
        throw formatError('a delta of more paths than asked for', this.#place());
      await this.#reader.expectEnd('the delta');
    });
  }

  [Symbol.dispose](): void {
    this.#solid[Symbol.dispose]();
  }

  async #next(): Promise<UnitHead> {
    if (this.#same > 0) {
      this.#same--;
      return { kind: unit.same, bytes: 0, contents: undefined };
    }
    if (!(await this.#load()))
      throw formatError('unexpected end of a delta', this.#place(), { expected: 'another path', got: 'the end' });
    const { columns, ratios, fresh, freshSize } = this.#batch!;
    const head = columns.varint(batchColumn.unit);
    const kind = head % 4;
    const count = Math.floor(head / 4);
    if (kind === unit.same) this.#same = count;
    else if (count > 0) throw formatError('an unknown kind of unit in a delta', this.#place(), { got: `${head}` });
    if (kind === unit.same || kind === unit.absent) return { kind, bytes: 0, contents: undefined };
    const contents = new UnitReader(columns);
    this.#freshLeft -= contents.freshSize;
    if (this.#freshLeft < 0 || (contents.empty && kind === unit.part))
      throw formatError('a unit of a delta with wrong sizes', this.#place(), { got: `${contents.freshSize} bytes` });
    let bytes = freshSize === 0 ? 0 : (contents.freshSize / freshSize) * fresh.length;
    for (const [i, size] of contents.sizes.entries()) bytes += size * ratios[firstTreeColumn + i]!;
    return { kind, bytes, contents };
  }

  /** Sees to it that there is a batch with units left; false at the end of the stream. */
  async #load(): Promise<boolean> {
    if (!this.#started) await this.#start();
    while (this.#batch === undefined || this.#batch.columns.left(batchColumn.unit) === 0) {
      this.#batch?.columns.expectEnd();
      if (this.#freshLeft > 0 || !(await this.#solid.drained()))
        throw formatError('contents that belong to no path', this.#place());
      this.#batch = undefined;
      const at = this.#reader.position;
      const length = await this.#varint();
      if (length === 0) return false;
      checkBatchLength(length, at, this.name);
      const start = this.#reader.position;
      const batch = readBatch(await this.#reader.bytes(length, 'a batch'), start, this.name);
      if (batch.columns.left(batchColumn.unit) === 0) throw formatError('a batch without units', this.#place());
      this.#batch = batch;
      this.#freshLeft = batch.freshSize;
      this.#solid.feed(batch.fresh);
    }
    return true;
  }

  async #start(): Promise<void> {
    const magic = await this.#reader.bytes(streamMagic.length, 'the beginning of a delta');
    if (!magic.equals(streamMagic)) {
      const got = JSON.stringify(magic.toString('latin1'));
      throw formatError('not a delta of this version', this.#place(), { expected: '"nrwdelt" and version 1', got });
    }
    this.#started = true;
  }

  async #varint(): Promise<number> {
    let value = 0;
    for (let unitSize = 1; unitSize < 2 ** 35; unitSize *= 128) {
      const [byte] = await this.#reader.bytes(1, 'the length of a batch');
      value += (byte! & 127) * unitSize;
      if (byte! < 128) return value;
    }
    throw formatError('a length that is too long', this.#place());
  }

  #place(): { source: string; offset: number } {
    return { source: this.name, offset: this.#reader.position };
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return await work();
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }
}
