// Paths named by number: those sent before, those of the base closure, and others that are told once in full.

import { decodeBase32 } from '../model/base32.ts';
import type { StorePath } from '../model/store-path.ts';
import { hashPart, pathName } from '../model/store-path.ts';
import type { BaseClosure } from './base-closure.ts';
import { bad, hashPartBytes, readPath } from './base-closure.ts';
import type { ColumnReader, ColumnWriter } from './columns.ts';
import { column } from './info-columns.ts';

/** A code is a number times 3, plus its kind: paths back in what was sent, place in the base closure, place among others. */
const kinds = { sent: 0, base: 1, other: 2 } as const;

export class PathNumbers {
  readonly #base: BaseClosure;
  readonly #sent: StorePath[] = [];
  readonly #sentAt = new Map<StorePath, number>();
  readonly #others: StorePath[] = [];
  readonly #otherAt = new Map<StorePath, number>();

  constructor(base: BaseClosure) {
    this.#base = base;
  }

  /** From now on `path` is the last one sent: 0 back. */
  add(path: StorePath): void {
    this.#sentAt.set(path, this.#sent.length);
    this.#sent.push(path);
  }

  isSent(path: StorePath): boolean {
    return this.#sentAt.has(path);
  }

  write(path: StorePath, target: number, out: ColumnWriter): void {
    const sent = this.#sentAt.get(path);
    if (sent !== undefined) return out.varint(target, (this.#sent.length - 1 - sent) * 3 + kinds.sent);
    const base = this.#base.numberOf(path);
    if (base >= 0) return out.varint(target, base * 3 + kinds.base);
    const other = this.#otherAt.get(path) ?? this.#others.length;
    out.varint(target, other * 3 + kinds.other);
    if (other < this.#others.length) return;
    this.#otherAt.set(path, other);
    this.#others.push(path);
    const name = Buffer.from(pathName(path), 'latin1');
    out.bytes(column.derivers, decodeBase32(hashPart(path), hashPartBytes)!);
    out.varint(column.text, name.length);
    out.bytes(column.text, name);
  }

  read(source: number, input: ColumnReader): StorePath {
    const code = input.varint(source);
    const number = Math.floor(code / 3);
    const kind = code % 3;
    if (kind === kinds.other && number === this.#others.length)
      this.#others.push(readPath(input.bytes(column.derivers, hashPartBytes), input, column.text));
    const path =
      kind === kinds.sent
        ? this.#sent[this.#sent.length - 1 - number]
        : kind === kinds.base
          ? this.#base.infos[number]?.path
          : this.#others[number];
    if (path === undefined) throw bad('number of a path', 'one that is known', `${code}`);
    return path;
  }
}
