// Reads what tree-writer.ts writes. Whatever comes is checked against what is left and what there is.

import type { ByteString } from '../bytes/byte-string.ts';
import { formatError } from '../errors.ts';
import type { BaseFile } from './candidates.ts';
import type { ColumnReader } from './columns.ts';
import { action, baseLimit, column } from './layout.ts';

export class TreeReader {
  /** The columns of the unit that is being read. */
  columns: ColumnReader;
  #lastName = '' as ByteString;
  #lastTarget = '' as ByteString;
  readonly #expected: number[] = [];

  constructor(columns: ColumnReader) {
    this.columns = columns;
  }

  /** Which base the tree is laid beside, -1 for none. */
  partner(): number {
    return this.columns.varint(column.base) - 1;
  }

  act(): number {
    return this.columns.byte(column.action);
  }

  /** Children kept before an action, of `left`. */
  kept(what: number, left: number): number {
    return what === action.end || left === 0 ? 0 : this.#within(this.columns.varint(column.run), left, 'kept');
  }

  gone(left: number): number {
    return this.#within(this.columns.varint(column.run) + 1, left, 'gone');
  }

  name(): ByteString {
    const shared = this.#within(this.columns.varint(column.shared), this.#lastName.length, 'shared with a name');
    this.#lastName = (this.#lastName.slice(0, shared) + this.columns.text(column.name)) as ByteString;
    return this.#lastName;
  }

  node(): number {
    return this.columns.byte(column.node);
  }

  symlink(old: ByteString | undefined): ByteString {
    const model = old ?? this.#lastTarget;
    const prefix = this.#within(this.columns.varint(column.shared), model.length, 'shared with a target');
    const suffix = this.#within(this.columns.varint(column.shared), model.length - prefix, 'shared with a target');
    const middle = this.columns.text(column.target);
    this.#lastTarget = (model.slice(0, prefix) + middle + model.slice(model.length - suffix)) as ByteString;
    return this.#lastTarget;
  }

  expect({ base, entry }: BaseFile): void {
    this.#expected[base] = entry;
  }

  /** Which entry of which base; nothing tells yet whether they exist. */
  reference(): BaseFile {
    const base = this.#within(this.columns.varint(column.base), baseLimit - 1, 'bases');
    const entry = this.columns.signed(column.entry) + (this.#expected[base] ?? 0);
    this.#expected[base] = entry + 1;
    return { base, entry };
  }

  copy(): number {
    return this.columns.varint(column.entry);
  }

  size(): number {
    return this.columns.varint(column.size);
  }

  sizeBeside(other: number): number {
    const size = this.columns.signed(column.size) + other;
    if (size >= 0) return size;
    throw formatError('a delta with a negative size', {}, { expected: 'at least 0', got: `${size}` });
  }

  recipe(): { readonly recipe: Uint8Array; readonly contentsSize: number } {
    const size = this.columns.varint(column.recipeSize);
    const contentsSize = this.columns.varint(column.recipeSize);
    return { recipe: this.columns.bytes(column.recipe, size), contentsSize };
  }

  #within(count: number, most: number, what: string): number {
    if (count <= most) return count;
    throw formatError(`a delta with more ${what} than there are`, {}, { expected: `at most ${most}`, got: `${count}` });
  }
}
