// References of a path as they follow from its base: each reference of the base stands for what it became. Only what is
// different is told.

import type { StorePath } from '../model/store-path.ts';
import { pathName } from '../model/store-path.ts';
import { sortedUnique } from '../model/path-info.ts';
import type { BaseClosure } from './base-closure.ts';
import { bad, readCount } from './base-closure.ts';
import type { ColumnReader, ColumnWriter } from './columns.ts';
import { column } from './info-columns.ts';
import type { PathNumbers } from './path-numbers.ts';

/** References of all paths together: a base with many of them costs a sender nothing to name again and again. */
const maxReferences = 8_000_000;

export class ReferencePrediction {
  readonly #base: BaseClosure;
  readonly #numbers: PathNumbers;
  /** By number of a base: what was made from it last, and last under its own name. */
  readonly #heirs = new Map<number, StorePath>();
  readonly #namesakes = new Map<number, StorePath>();
  #read = 0;

  constructor(base: BaseClosure, numbers: PathNumbers) {
    this.#base = base;
    this.#numbers = numbers;
  }

  /** Remembers what was made from a base. */
  add(path: StorePath, base: number): void {
    this.#heirs.set(base, path);
    if (pathName(path) === pathName(this.#base.infos[base]!.path)) this.#namesakes.set(base, path);
  }

  /** In the order of the base's references, may have repeats. */
  predict(path: StorePath, base: number | undefined): StorePath[] {
    if (base === undefined) return [];
    return this.#base.references[base]!.map((number) =>
      number === base
        ? path
        : (this.#namesakes.get(number) ?? this.#heirs.get(number) ?? this.#base.infos[number]!.path),
    );
  }

  /** Places in the prediction that are wrong, as gaps, then what is missing. */
  write(references: readonly StorePath[], predicted: readonly StorePath[], out: ColumnWriter): void {
    const actual = new Set(references);
    const wrong = [...predicted.entries()].filter(([, path]) => !actual.has(path)).map(([index]) => index);
    const known = new Set(predicted);
    const added = references.filter((path) => !known.has(path));
    out.varint(column.references, wrong.length);
    for (const [i, index] of wrong.entries())
      out.varint(column.references, i === 0 ? index : index - wrong[i - 1]! - 1);
    out.varint(column.references, added.length);
    for (const path of added) this.#numbers.write(path, column.references, out);
  }

  /** Sorted, unique; without input, just what was predicted. Throws `format`, also for more than any closure has. */
  read(predicted: readonly StorePath[], input?: ColumnReader): StorePath[] {
    const references = sortedUnique(input ? this.#corrected(predicted, input) : predicted);
    this.#read += Math.max(references.length, predicted.length);
    if (this.#read > maxReferences) throw bad('references', `at most ${maxReferences} in all`, 'more');
    return references;
  }

  #corrected(predicted: readonly StorePath[], input: ColumnReader): StorePath[] {
    const kept: (StorePath | undefined)[] = [...predicted];
    let at = -1;
    for (let left = readCount(input, column.references); left > 0; left--) {
      at += input.varint(column.references) + 1;
      if (at >= kept.length) throw bad('reference', `one of ${kept.length}`, `${at}`);
      kept[at] = undefined;
    }
    const added = Array.from({ length: readCount(input, column.references) }, () =>
      this.#numbers.read(column.references, input),
    );
    return [...kept.filter((path) => path !== undefined), ...added];
  }
}
