// Where in the bases a fresh file may be found again, or one that is similar to it: the same contents anywhere, the same path
// but for digits, the same name elsewhere, or the same suffix and about the same size.

import type { DigestedFiles, TreeFiles } from './files.ts';
import { normalised } from './normalised.ts';
import { isFile, pathOf } from './tree-index.ts';

/** A file of a base, both by number. */
export interface BaseFile {
  readonly base: number;
  readonly entry: number;
}

/** How many of a kind are remembered: a name such as __init__.py may stand for thousands. */
const listLimit = 32;

/** Finds files in several bases for the files of a fresh tree that are named when it is made. */
export class Candidates {
  readonly #bases: readonly (DigestedFiles | undefined)[];
  readonly #fresh: TreeFiles;
  readonly #entries: readonly number[];
  #bySize: Map<number, BaseFile[]> | undefined;
  #byKey: Map<string, BaseFile[]> | undefined;

  constructor(bases: readonly (DigestedFiles | undefined)[], fresh: TreeFiles, entries: readonly number[]) {
    this.#bases = bases;
    this.#fresh = fresh;
    this.#entries = entries;
  }

  /** A file with the very contents of `entry`, which is not empty. */
  equal(entry: number): BaseFile | undefined {
    this.#bySize ??= this.#listed(({ index }, at) => [index[at]!.size]);
    const ofSize = this.#bySize.get(this.#fresh.index[entry]!.size) ?? [];
    if (ofSize.length === 0) return undefined;
    const digest = this.#fresh.digest(entry);
    return ofSize.find((file) => this.#bases[file.base]!.digest(file.entry) === digest);
  }

  /** Files that can be read and may be similar to `entry`, likely ones first; `partner` is the one at the same path. */
  similar(entry: number, partner: BaseFile | undefined, limit: number): BaseFile[] {
    this.#byKey ??= this.#listed(keysOf);
    const { size } = this.#fresh.index[entry]!;
    const found: BaseFile[] = [];
    const add = (file: BaseFile): void => {
      const { tree, index } = this.#bases[file.base]!;
      if (tree === undefined || index[file.entry]!.size === 0 || !isFile(index[file.entry]!)) return;
      if (!found.some(({ base, entry: at }) => base === file.base && at === file.entry)) found.push(file);
    };
    if (partner !== undefined) add(partner);
    const keys = keysOf(this.#fresh, entry);
    for (const [i, key] of keys.entries()) {
      if (found.length >= limit) break;
      // by the suffix alone only what has about the same size
      const near = (file: BaseFile): boolean => i < keys.length - 1 || this.#ratio(file, size) < 1.5;
      const sorted = (this.#byKey.get(key) ?? [])
        .filter(near)
        .sort((a, b) => this.#ratio(a, size) - this.#ratio(b, size));
      for (const file of sorted.slice(0, limit)) add(file);
    }
    return found.slice(0, limit);
  }

  #ratio({ base, entry }: BaseFile, size: number): number {
    const other = this.#bases[base]!.index[entry]!.size;
    return Math.max(size, other) / Math.max(1, Math.min(size, other));
  }

  /** The files of all bases by their keys, as far as an entry has the same. */
  #listed<K>(keys: (files: DigestedFiles, entry: number) => readonly K[]): Map<K, BaseFile[]> {
    const lists = new Map<K, BaseFile[]>();
    for (const entry of this.#entries) for (const key of keys(this.#fresh, entry)) lists.set(key, []);
    for (const [base, files] of this.#bases.entries()) {
      for (const [entry, { size }] of files?.index.entries() ?? []) {
        if (size === 0) continue;
        for (const key of keys(files!, entry)) {
          const list = lists.get(key);
          if (list !== undefined && list.length < listLimit) list.push({ base, entry });
        }
      }
    }
    return lists;
  }
}

/** By what a file is looked for: its path, its path without digits, its name, its name without digits, its suffix. */
function keysOf({ index }: DigestedFiles, entry: number): string[] {
  const path = pathOf(index, entry).join('/');
  const { name } = index[entry]!;
  const plain = normalised(name);
  const suffix = plain.slice(plain.lastIndexOf('.') + 1);
  return [
    `p${path}`,
    `q${normalised(path)}`,
    `n${name}`,
    `m${plain}`,
    `s${suffix.length < plain.length ? suffix : ''}`,
  ];
}
