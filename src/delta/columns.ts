// Columns: a fixed number of byte strings written side by side, one for each kind of value, because values of one kind
// compress well together. Numbers are LEB128 varints; signed ones are zigzag-coded. There are no end marks: who reads knows
// from earlier values how much follows.

import { byteString } from '../bytes/byte-string.ts';
import type { ByteString } from '../bytes/byte-string.ts';
import { formatError } from '../errors.ts';
import { giveBack } from './give-back.ts';

/** Varints hold whole numbers up to 2^53-1. */
const maxVarintBytes = 8;

/** Columns of so many bytes are handed over with their memory, not copied. */
const large = 1 << 20;

/** Appends to several columns. */
export class ColumnWriter implements Disposable {
  readonly #columns: { bytes: Buffer; length: number }[];

  constructor(count: number) {
    this.#columns = Array.from({ length: count }, () => ({ bytes: Buffer.allocUnsafe(64), length: 0 }));
  }

  /** Bytes in all columns. */
  get size(): number {
    return this.#columns.reduce((sum, column) => sum + column.length, 0);
  }

  /** Bytes in each column. */
  get sizes(): number[] {
    return this.#columns.map((column) => column.length);
  }

  /** A whole number from 0 to 2^53-1. */
  varint(column: number, value: number): void {
    const target = this.#room(column, maxVarintBytes);
    let rest = value;
    while (rest > 0x7fffffff) {
      target.bytes[target.length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      target.bytes[target.length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    target.bytes[target.length++] = rest;
  }

  /** A whole number from -2^52 to 2^52-1. */
  signed(column: number, value: number): void {
    this.varint(column, value < 0 ? -2 * value - 1 : 2 * value);
  }

  byte(column: number, value: number): void {
    const target = this.#room(column, 1);
    target.bytes[target.length++] = value;
  }

  bytes(column: number, bytes: Uint8Array): void {
    const target = this.#room(column, bytes.length);
    target.bytes.set(bytes, target.length);
    target.length += bytes.length;
  }

  /** What was written since the last take, one string of bytes a column. */
  take(): Uint8Array[] {
    return this.#columns.map((column) => {
      const taken = column.bytes.subarray(0, column.length);
      column.length = 0;
      if (taken.length < large) return Buffer.from(taken);
      column.bytes = Buffer.allocUnsafe(64);
      return taken;
    });
  }

  [Symbol.dispose](): void {
    for (const column of this.#columns) giveBack(column.bytes);
  }

  #room(index: number, size: number): { bytes: Buffer; length: number } {
    const column = this.#columns[index]!;
    const needed = column.length + size;
    if (needed > column.bytes.length) {
      const bigger = Buffer.allocUnsafe(Math.max(needed, column.bytes.length * 2));
      bigger.set(column.bytes.subarray(0, column.length));
      giveBack(column.bytes);
      column.bytes = bigger;
    }
    return column;
  }
}

/** Reads several columns, each from its own place. Throws `format` where one ends too early. */
export class ColumnReader {
  readonly #columns: readonly Uint8Array[];
  readonly #at: number[];
  readonly #name: string;

  constructor(columns: readonly Uint8Array[], name = 'delta') {
    this.#columns = columns;
    this.#at = columns.map(() => 0);
    this.#name = name;
  }

  /** Bytes of a column that have not been read. */
  left(column: number): number {
    return this.#columns[column]!.length - this.#at[column]!;
  }

  varint(column: number): number {
    const bytes = this.#columns[column]!;
    let at = this.#at[column]!;
    let value = 0;
    let unit = 1;
    for (let i = 0; i < maxVarintBytes; i++) {
      const byte = bytes[at];
      if (byte === undefined) throw this.#error(column, 'a number', 'the end');
      at++;
      value += (byte & 127) * unit;
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        this.#at[column] = at;
        return value;
      }
      unit *= 128;
    }
    throw this.#error(column, 'a number below 2^53', 'a longer one');
  }

  signed(column: number): number {
    const value = this.varint(column);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  byte(column: number): number {
    const at = this.#at[column]!;
    const byte = this.#columns[column]![at];
    if (byte === undefined) throw this.#error(column, 'a byte', 'the end');
    this.#at[column] = at + 1;
    return byte;
  }

  /** The next `length` bytes, borrowed as long as the columns live. */
  bytes(column: number, length: number): Uint8Array {
    const at = this.#at[column]!;
    if (length > this.left(column)) throw this.#error(column, `${length} bytes`, `${this.left(column)}`);
    this.#at[column] = at + length;
    return this.#columns[column]!.subarray(at, at + length);
  }

  /** The bytes up to the next NUL, which is passed over. */
  text(column: number): ByteString {
    const bytes = this.#columns[column]!;
    const at = this.#at[column]!;
    const end = bytes.indexOf(0, at);
    if (end < 0) throw this.#error(column, 'a NUL byte', 'the end');
    this.#at[column] = end + 1;
    return byteString(bytes, at, end);
  }

  /** Throws unless all columns were read to their ends. */
  expectEnd(): void {
    for (const [column, bytes] of this.#columns.entries())
      if (this.#at[column] !== bytes.length) throw this.#error(column, 'the end', `${this.left(column)} more bytes`);
  }

  #error(column: number, expected: string, got: string): Error {
    const place = { source: `column ${column} of the ${this.#name}`, offset: this.#at[column]! };
    return formatError('a delta that does not fit its columns', place, { expected, got });
  }
}
