// Makes the NAR of one path from its recipe and its bases. All that is written goes through the checks of a NAR; all that is
// referred to is checked to exist; nothing is allocated but what has come, a window of a file, and what is kept for copies.

import type { ByteString } from '../bytes/byte-string.ts';
import { formatError } from '../errors.ts';
import type { NarrowError } from '../errors.ts';
import { FileDecoder } from './decode-file.ts';
import type { PathInput } from './path-input.ts';
import { action, node } from './layout.ts';
import { NarWriter } from './nar-writer.ts';
import { childrenOf, isFile, kind } from './tree-index.ts';
import type { TreeEntry } from './tree-index.ts';
import { TreeReader } from './tree-reader.ts';
import type { TreeFiles } from './files.ts';

/** A directory that is being written, and the children of the base's that it is laid beside. */
interface Open {
  readonly theirs: readonly number[];
  j: number;
}

/** Yields the NAR; pieces are borrowed. */
export function decodeTree(input: PathInput): AsyncGenerator<Uint8Array, void> {
  return new TreeDecoder(input).run();
}

class TreeDecoder {
  readonly #input: PathInput;
  readonly #reader: TreeReader;
  readonly #out: NarWriter;
  readonly #files: FileDecoder;
  readonly #open: Open[] = [];
  #base: TreeFiles | undefined;

  constructor(input: PathInput) {
    this.#input = input;
    this.#reader = new TreeReader(input.unit.tree);
    this.#out = new NarWriter(input.name);
    this.#files = new FileDecoder(input, this.#reader, this.#out);
  }

  async *run(): AsyncGenerator<Uint8Array, void> {
    try {
      yield* this.#nar();
    } finally {
      this.#out.release();
    }
  }

  async *#nar(): AsyncGenerator<Uint8Array, void> {
    const partner = this.#reader.partner();
    if (partner > this.#input.partner) throw this.#error('an unknown base', 'the first or none', `${partner}`);
    if (partner >= 0) this.#base = this.#input.base(partner);
    this.#open.push({ theirs: this.#base === undefined ? [] : [0], j: 0 });
    do {
      await this.#input.ready();
      this.#reader.columns = this.#input.unit.tree;
      yield* this.#step(this.#open.at(-1)!);
      if (this.#out.full) yield this.#out.take();
    } while (this.#open.length > 1);
    yield this.#out.take();
    await this.#input.finish();
  }

  async *#step(top: Open): AsyncGenerator<Uint8Array, void> {
    const what = this.#reader.act();
    const root = this.#open.length === 1;
    const left = top.theirs.length - top.j;
    const kept = what === action.end ? left : this.#reader.kept(what, left);
    if (root && (kept > 0 || what === action.end || what === action.gone))
      throw this.#error('a tree without a root', 'one root', `action ${what}`);
    for (let i = 0; i < kept; i++) yield* this.#keep(top.theirs[top.j++]!);
    switch (what) {
      case action.end:
        this.#open.pop();
        this.#out.leave();
        return;
      case action.gone:
        top.j += this.#reader.gone(top.theirs.length - top.j);
        return;
      case action.enter:
        return this.#enter(this.#take(top));
      case action.change:
        return yield* this.#change(this.#take(top));
      case action.add:
        return yield* this.#node(root ? ('' as ByteString) : this.#reader.name(), undefined);
      default:
        throw this.#error('an unknown action', 'at most 4', `${what}`);
    }
  }

  /** The next child of the base's directory. */
  #take(top: Open): number {
    const entry = top.theirs[top.j++];
    if (entry === undefined) throw this.#error('a change of what is not there', 'another entry of the base', 'its end');
    return entry;
  }

  #entry(entry: number): TreeEntry {
    return this.#base!.index[entry]!;
  }

  #enter(entry: number): void {
    const { kind: is, name } = this.#entry(entry);
    if (is !== kind.directory) throw this.#error('an entry that is entered', 'a directory in the base', 'none');
    this.#out.directory(name);
    this.#open.push({ theirs: childrenOf(this.#base!.index, entry), j: 0 });
  }

  async *#change(entry: number): AsyncGenerator<Uint8Array, void> {
    yield* this.#node(this.#entry(entry).name, entry);
  }

  /** A new node called `name`, in the place of `entry` of the base if that is given. */
  async *#node(name: ByteString, entry: number | undefined): AsyncGenerator<Uint8Array, void> {
    if (entry !== undefined) this.#reader.expect({ base: this.#input.partner, entry });
    const what = this.#reader.node();
    switch (what % 4) {
      case node.directory:
        this.#out.directory(name);
        this.#open.push({ theirs: [], j: 0 });
        return;
      case node.directoryLike:
        return this.#like(name);
      case node.symlink: {
        const old = entry === undefined ? undefined : this.#entry(entry);
        this.#out.symlink(name, this.#reader.symlink(old?.kind === kind.symlink ? old.target : undefined));
        return;
      }
      default:
        return yield* this.#files.decode(name, what);
    }
  }

  #like(name: ByteString): void {
    const { base, entry } = this.#reader.reference();
    const like = base === this.#input.partner ? this.#base?.index[entry] : undefined;
    if (like?.kind !== kind.directory)
      throw this.#error('a directory like another one', 'a directory in the base', `entry ${entry} of base ${base}`);
    this.#out.directory(name);
    this.#open.push({ theirs: childrenOf(this.#base!.index, entry), j: 0 });
  }

  /** Writes an entry of the base with all that is in it. */
  async *#keep(from: number): AsyncGenerator<Uint8Array, void> {
    const { index } = this.#base!;
    const ends: number[] = [];
    for (let at = from; at < index[from]!.end; at++) {
      const entry = index[at]!;
      if (isFile(entry)) yield* this.#files.keep(this.#base!, at);
      else if (entry.kind === kind.symlink) this.#out.symlink(entry.name, entry.target);
      else {
        this.#out.directory(entry.name);
        ends.push(entry.end);
      }
      for (; ends.at(-1) === at + 1; ends.pop()) this.#out.leave();
      if (this.#out.full) yield this.#out.take();
    }
  }

  #error(what: string, expected: string, got: string): NarrowError {
    return formatError(what, { source: `the delta of ${this.#input.name}` }, { expected, got });
  }
}
