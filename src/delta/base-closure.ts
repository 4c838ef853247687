// A closure that both sides know, as a numbered list: path infos of others are told by it. When only the receiver knows it,
// it sends the list as an inventory; a digest tells whether both have the same one. Both are of this format alone: paths,
// sizes, references and the beginning of each NAR hash, references first.

import { createHash } from 'node:crypto';
import { formatError } from '../errors.ts';
import { compareBytes } from '../bytes/byte-string.ts';
import { decodeBase32, encodeBase32 } from '../model/base32.ts';
import type { Hash } from '../model/hash.ts';
import { referencesFirst } from '../model/references-first.ts';
import type { StorePath } from '../model/store-path.ts';
import { hashPart, pathName, tryBaseName } from '../model/store-path.ts';
import type { ColumnReader, ColumnWriter } from './columns.ts';

/** Bytes of a hash part, and of a NAR hash as an inventory tells it. */
export const hashPartBytes = 20;
const narHashBytes = 8;
const digestBytes = 8;

export interface BaseInfo {
  readonly path: StorePath;
  readonly narSize: number;
  /** Those within the closure, sorted. */
  readonly references: readonly StorePath[];
  /** The first 8 bytes of the NAR hash: enough to tell another build of a path, not a proof. */
  readonly narHash: Uint8Array;
}

/** What a base is made from: an info of a store, or of an inventory. */
type Known = Omit<BaseInfo, 'narHash'> & { readonly narHash: Hash | Uint8Array };

export class BaseClosure {
  /** References first, otherwise by path: the same closure is always in the same order. */
  readonly infos: readonly BaseInfo[];
  /** For each, the numbers of its references, itself included. */
  readonly references: readonly (readonly number[])[];
  readonly #numbers: ReadonlyMap<StorePath, number>;

  /** References to paths that are not given are left out. */
  constructor(given: Iterable<Known>) {
    const sorted = [...new Map([...given].map((info) => [info.path, info])).values()];
    sorted.sort((a, b) => compareBytes(a.path, b.path));
    const places = new Map(sorted.map(({ path }, index) => [path, index]));
    const known = sorted.map(({ references }) => references.filter((path) => places.has(path)).sort(compareBytes));
    const order = referencesFirst(known.map((paths) => paths.map((path) => places.get(path)!)));
    this.infos = order.map((index) => {
      const { path, narSize, narHash } = sorted[index]!;
      const bytes = narHash instanceof Uint8Array ? narHash : narHash.bytes;
      return { path, narSize, references: known[index]!, narHash: Uint8Array.from(bytes.subarray(0, narHashBytes)) };
    });
    const numbers = new Map(this.infos.map(({ path }, number) => [path, number]));
    this.#numbers = numbers;
    this.references = this.infos.map(({ references }) => references.map((path) => numbers.get(path)!));
  }

  /** The place in the list; -1: not of this closure. */
  numberOf(path: StorePath): number {
    return this.#numbers.get(path) ?? -1;
  }

  /** 8 bytes that are equal on two sides only if they know the same paths, NAR hashes, sizes and references. */
  digest(): Uint8Array {
    const hash = createHash('sha256');
    for (const { path, narSize, references, narHash } of this.infos)
      hash.update(`${path} ${Buffer.from(narHash).toString('hex')} ${narSize} ${references.join(',')}\n`);
    return Uint8Array.from(hash.digest().subarray(0, digestBytes));
  }
}

/** Columns of an inventory: numbers, hash parts, NAR hashes, names, references. */
const inventory = { numbers: 0, parts: 1, hashes: 2, names: 3, references: 4 } as const;
export const inventoryColumns = 5;

/** Appends the closure to an empty writer of {@link inventoryColumns}: some 30 bytes a path, 28 of which do not compress. */
export function writeInventory(closure: BaseClosure, out: ColumnWriter): void {
  out.varint(inventory.numbers, closure.infos.length);
  for (const [number, { path, narSize, narHash }] of closure.infos.entries()) {
    const name = Buffer.from(pathName(path), 'latin1');
    out.bytes(inventory.parts, decodeBase32(hashPart(path), hashPartBytes)!);
    out.bytes(inventory.hashes, narHash);
    out.varint(inventory.numbers, narSize);
    out.varint(inventory.names, name.length);
    out.bytes(inventory.names, name);
    const references = closure.references[number]!;
    out.varint(inventory.references, references.length);
    // a loop, which no store has, is not told: it would lead forward
    for (const reference of references) out.varint(inventory.references, Math.max(number - reference, 0));
  }
}

/** Reads an inventory and nothing behind it. Throws `format`; what is allocated is bounded by what is there. */
export function readInventory(input: ColumnReader): BaseClosure {
  const count = input.varint(inventory.numbers);
  if (count > input.left(inventory.parts) / hashPartBytes) throw bad('count', 'one hash part each', `${count}`);
  const infos: BaseInfo[] = [];
  for (let number = 0; number < count; number++) {
    const part = input.bytes(inventory.parts, hashPartBytes);
    const path = readPath(part, input, inventory.names);
    const narHash = input.bytes(inventory.hashes, narHashBytes);
    const narSize = input.varint(inventory.numbers);
    const references = Array.from({ length: readCount(input, inventory.references) }, () => {
      const back = input.varint(inventory.references);
      if (back > number) throw bad('reference', `at most ${number} paths back`, `${back}`);
      return back === 0 ? path : infos[number - back]!.path;
    });
    infos.push({ path, narSize, references, narHash });
  }
  input.expectEnd();
  return new BaseClosure(infos);
}

/** A path of 20 bytes and a name in its column. Throws `format`. */
export function readPath(part: Uint8Array, input: ColumnReader, names: number): StorePath {
  const name = Buffer.from(input.bytes(names, input.varint(names))).toString('latin1');
  return pathFrom(part, name);
}

export function pathFrom(part: Uint8Array, name: string): StorePath {
  const path = tryBaseName(`${encodeBase32(part)}-${name}`);
  if (path === undefined) throw bad('name', 'a name of a store path', JSON.stringify(name.slice(0, 100)));
  return path;
}

/** A count of things that take a byte each of the same column. */
export function readCount(input: ColumnReader, column: number): number {
  const count = input.varint(column);
  if (count > input.left(column)) throw bad('count', `at most ${input.left(column)}`, `${count}`);
  return count;
}

export function bad(what: string, expected: string, got: string): Error {
  return formatError(`bad ${what}`, { source: 'path infos of a delta' }, { expected, got });
}
