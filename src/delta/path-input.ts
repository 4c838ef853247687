// What the decoder of one path reads from: its units, one after the other, and its bases.

import { formatError, isNarrowError } from '../errors.ts';
import { absentError } from './batch.ts';
import { TreeFiles } from './files.ts';
import { baseLimit, unit } from './layout.ts';
import type { Tally } from './report.ts';
import type { SyncFileTree } from '../format/nar/tree.ts';
import type { UnitReader } from './unit.ts';
import { columnCount as codecColumns } from './codec/file.ts';
import type { UnitHead, UnitSource } from './unit-source.ts';

export class PathInput {
  readonly name: string;
  /** Bytes that the NAR has. */
  readonly narSize: number;
  readonly tally: Tally;
  readonly #source: UnitSource;
  readonly #trees: readonly SyncFileTree[];
  readonly #files: (TreeFiles | undefined)[] = [];
  #head: UnitHead;
  /** Bytes of the file codec's columns in all units so far. */
  #codecSize = 0;

  /** `first` is the path's first unit, which has contents. */
  constructor(
    source: UnitSource,
    first: UnitHead,
    target: { readonly name: string; readonly narSize: number; readonly bases: readonly SyncFileTree[] },
    tally: Tally,
  ) {
    this.#source = source;
    this.#head = first;
    this.name = target.name;
    this.narSize = target.narSize;
    this.#trees = target.bases;
    this.tally = tally;
    this.#taken(first);
  }

  /** The base that the tree is laid beside: always the first. */
  readonly partner = 0;

  /** The unit that is being read. */
  get unit(): UnitReader {
    return this.#head.contents!;
  }

  /** How many bytes of the file codec's columns were read. */
  get codecRead(): number {
    let left = 0;
    for (let i = 0; i < codecColumns; i++) left += this.unit.codec.left(i);
    return this.#codecSize - left;
  }

  /** The files of a base. */
  base(base: number): TreeFiles {
    const tree = base < baseLimit ? this.#trees[base] : undefined;
    if (tree === undefined)
      throw formatError('a base that there is not', this.#place(), {
        expected: `one of ${this.#trees.length}`,
        got: `number ${base}`,
      });
    return (this.#files[base] ??= new TreeFiles(tree));
  }

  /** Goes on to the path's next unit where this one is read to its end. Called wherever an encoder may cut. */
  async ready(): Promise<void> {
    while (this.#head.kind === unit.part && this.unit.exhausted) await this.#advance();
  }

  /** The next `size` fresh bytes; not more than the unit has. */
  async fresh(size: number): Promise<Buffer> {
    if (size > this.unit.freshLeft)
      throw formatError('a path with too few contents', this.#place(), {
        expected: `${size} bytes`,
        got: `${this.unit.freshLeft}`,
      });
    return this.#source.fresh(this.unit, size);
  }

  /** The path is complete: nothing of it may be left. */
  async finish(): Promise<void> {
    // the last unit may be an empty one
    await this.ready();
    if (this.#head.kind !== unit.last || !this.unit.exhausted)
      throw formatError('a path with more than its tree takes', this.#place(), { expected: 'the next path' });
  }

  /** Passes over what is left of the path. */
  async skip(): Promise<void> {
    await this.#source.skip(this.unit);
    while (this.#head.kind === unit.part) {
      try {
        await this.#advance();
      } catch (error) {
        if (isNarrowError(error, 'unavailable')) return;
        throw error;
      }
      await this.#source.skip(this.unit);
    }
  }

  async #advance(): Promise<void> {
    const next = await this.#source.next();
    if (next.contents === undefined) {
      this.#head = { ...this.#head, kind: unit.last };
      if (next.kind === unit.absent) throw absentError(this.name);
      throw formatError('a path that is not continued', this.#place(), { expected: 'its next part' });
    }
    this.#taken(next);
  }

  #taken(head: UnitHead): void {
    this.#head = head;
    const { sizes, freshSize } = head.contents!;
    this.tally.bytes += head.bytes;
    this.tally.freshBytes += freshSize;
    for (let i = sizes.length - codecColumns; i < sizes.length; i++) this.#codecSize += sizes[i]!;
  }

  #place(): { source: string } {
    return { source: `the delta of ${this.name}` };
  }
}
