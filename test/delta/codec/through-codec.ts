// Files through the codec and back, for tests.

import { columnCount, decodeFile, encodeFile } from '../../../src/delta/codec/file.ts';
import type { CodecOptions, Level } from '../../../src/delta/codec/file.ts';
import { ColumnReader, ColumnWriter } from '../../../src/delta/columns.ts';
import { lent } from './lent.ts';

export interface Encoded {
  /** Columns of each batch: of each window, or one for all. */
  readonly batches: Uint8Array[][];
  readonly size: number;
  readonly windows: number;
}

export interface Settings extends CodecOptions {
  readonly level?: Level;
  /** Each window goes through columns of its own. */
  readonly cut?: boolean;
}

export function encoded(old: Buffer, fresh: Buffer, settings: Settings = {}): Encoded {
  const { level = 'best', cut = false } = settings;
  const out = new ColumnWriter(columnCount);
  const batches: Uint8Array[][] = [];
  let windows = 0;
  for (const _ of encodeFile(lent(old), lent(fresh), level, out, settings)) {
    windows++;
    if (cut) batches.push(out.take());
  }
  if (!cut) batches.push(out.take());
  const size = batches.flat().reduce((sum, column) => sum + column.length, 0);
  return { batches, size, windows };
}

/** Decodes all and says the bytes; throws where columns are left over. */
export function decoded(old: Buffer, size: number, batches: Uint8Array[][], settings: Settings = {}): Buffer {
  const readers = batches.map((columns) => new ColumnReader(columns));
  let asked = 0;
  const next = (): ColumnReader => readers[settings.cut === true ? asked++ : 0]!;
  const chunks: Buffer[] = [];
  for (const chunk of decodeFile(lent(old), size, next, settings)) chunks.push(Buffer.from(chunk));
  for (const reader of readers) reader.expectEnd();
  return Buffer.concat(chunks);
}

export interface Result extends Encoded {
  readonly bytes: Buffer;
}

export function throughCodec(old: Buffer, fresh: Buffer, settings: Settings = {}): Result {
  const result = encoded(old, fresh, settings);
  return { ...result, bytes: decoded(old, fresh.length, result.batches, settings) };
}

/** Bytes that do not compress, the same each time. */
export function noise(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
