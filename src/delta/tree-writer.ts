// Writes the recipe of one path: what is done in each directory, which nodes are new, where files come from. Keeps what the
// reader can know as well, so that numbers and names are written as differences.

import type { ByteString } from '../bytes/byte-string.ts';
import type { BaseFile } from './candidates.ts';
import { action, column, node } from './layout.ts';
import type { UnitWriter } from './unit.ts';

/** Bytes that two strings share at their beginnings. */
export function sharedPrefix(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let count = 0;
  while (count < most && a.charCodeAt(count) === b.charCodeAt(count)) count++;
  return count;
}

export class TreeWriter {
  readonly #unit: UnitWriter;
  #lastName = '' as ByteString;
  #lastTarget = '' as ByteString;
  /** Of each base the entry that is expected to be named next. */
  readonly #expected: number[] = [];

  constructor(unit: UnitWriter) {
    this.#unit = unit;
  }

  /** Begins the recipe: which base the tree is laid beside, -1 for none. */
  partner(base: number): void {
    this.#unit.tree.varint(column.base, base + 1);
  }

  /** An action after `kept` children of the base's directory, which has `left` before them. */
  act(what: number, kept: number, left: number): void {
    this.#unit.tree.byte(column.action, what);
    if (what !== action.end && left > 0) this.#unit.tree.varint(column.run, kept);
  }

  gone(count: number): void {
    this.#unit.tree.varint(column.run, count - 1);
  }

  name(name: ByteString): void {
    const shared = sharedPrefix(name, this.#lastName);
    this.#unit.tree.varint(column.shared, shared);
    this.#text(column.name, name.slice(shared));
    this.#lastName = name;
  }

  node(what: number): void {
    this.#unit.tree.byte(column.node, what);
  }

  /** A link; `old` is the target in its place before, if there was a link. */
  symlink(target: ByteString, old: ByteString | undefined): void {
    const model = old ?? this.#lastTarget;
    const prefix = sharedPrefix(target, model);
    const rest = Math.min(target.length, model.length) - prefix;
    let suffix = 0;
    while (suffix < rest && target.at(-1 - suffix) === model.at(-1 - suffix)) suffix++;
    this.node(node.symlink);
    this.#unit.tree.varint(column.shared, prefix);
    this.#unit.tree.varint(column.shared, suffix);
    this.#text(column.target, target.slice(prefix, target.length - suffix));
    this.#lastTarget = target;
  }

  /** The next reference is expected to be to this entry. */
  expect({ base, entry }: BaseFile): void {
    this.#expected[base] = entry;
  }

  reference({ base, entry }: BaseFile): void {
    this.#unit.tree.varint(column.base, base);
    this.#unit.tree.signed(column.entry, entry - (this.#expected[base] ?? 0));
    this.#expected[base] = entry + 1;
  }

  copy(slot: number): void {
    this.#unit.tree.varint(column.entry, slot);
  }

  size(size: number): void {
    this.#unit.tree.varint(column.size, size);
  }

  /** A size that is near to another one. */
  sizeBeside(size: number, other: number): void {
    this.#unit.tree.signed(column.size, size - other);
  }

  recipe(bytes: Uint8Array, contentsSize: number): void {
    this.#unit.tree.varint(column.recipeSize, bytes.length);
    this.#unit.tree.varint(column.recipeSize, contentsSize);
    this.#unit.tree.bytes(column.recipe, bytes);
  }

  #text(to: number, text: string): void {
    this.#unit.tree.bytes(to, Buffer.from(`${text}\0`, 'latin1'));
  }
}
