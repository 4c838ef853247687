// Encodes one path against its bases: a walk through the fresh tree beside its first base, which writes runs of what is kept
// and, for what is not, names, links and files, each file in the cheapest way found.

import { align } from './align.ts';
import type { Alignment } from './align.ts';
import type { BaseFile } from './candidates.ts';
import { FileEncoder } from './encode-file.ts';
import type { FileEncoderOptions } from './encode-file.ts';
import { planFiles } from './file-plan.ts';
import type { DigestedFiles, TreeFiles } from './files.ts';
import { action, node } from './layout.ts';
import type { Tally } from './report.ts';
import { childrenOf, compareEntries, isFile, kind } from './tree-index.ts';
import type { TreeIndex } from './tree-index.ts';
import { TreeWriter } from './tree-writer.ts';
import type { UnitWriter } from './unit.ts';

export interface EncodeTreeOptions extends FileEncoderOptions {
  readonly tally: Tally;
}

/**
 * Writes into `unit` how `fresh` is made of `bases`; a base that is undefined cannot be used, the first one is laid beside.
 * Yields wherever what was written so far may be cut off. Returns true, with nothing written, where `fresh` is the first base.
 */
export function* encodeTree(
  fresh: TreeFiles,
  bases: readonly (DigestedFiles | undefined)[],
  unit: UnitWriter,
  options: EncodeTreeOptions,
): Generator<void, boolean> {
  const alignment = align(fresh, bases[0]);
  if (alignment.equal[0] === 1) return true;
  yield* new TreeEncoder(fresh, bases, alignment, unit, options).run();
  return false;
}

/** A directory that is being gone through, and the one it is laid beside. */
interface Open {
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
  /** How far both are done; children kept since the last action. */
  i: number;
  j: number;
  kept: number;
}

const noEntries: TreeIndex = [];

class TreeEncoder {
  readonly #fresh: TreeFiles;
  readonly #base: TreeIndex;
  readonly #alignment: Alignment;
  readonly #writer: TreeWriter;
  readonly #files: FileEncoder;
  readonly #tally: Tally;
  readonly #open: Open[];

  constructor(
    fresh: TreeFiles,
    bases: readonly (DigestedFiles | undefined)[],
    alignment: Alignment,
    unit: UnitWriter,
    options: EncodeTreeOptions,
  ) {
    this.#fresh = fresh;
    this.#base = bases[0]?.index ?? noEntries;
    this.#alignment = alignment;
    this.#writer = new TreeWriter(unit);
    this.#tally = options.tally;
    const plan = planFiles(fresh, bases, alignment);
    this.#files = new FileEncoder(fresh, bases, plan, unit, this.#writer, options);
    // the roots are the only children of a directory without a name
    this.#open = [{ ours: [0], theirs: bases[0] === undefined ? [] : [0], i: 0, j: 0, kept: 0 }];
  }

  *run(): Generator<void, void> {
    this.#writer.partner(this.#base.length === 0 ? -1 : 0);
    for (let top = this.#open.at(-1); top !== undefined; top = this.#open.at(-1)) {
      const one = this.#fresh.index[top.ours[top.i]!];
      const other = this.#base[top.theirs[top.j]!];
      const order = one === undefined ? 1 : other === undefined ? -1 : compareEntries(one, other);
      if (one === undefined && other === undefined) this.#end(top);
      else if (order > 0) this.#gone(top);
      else if (order < 0) yield* this.#add(top);
      else yield* this.#beside(top);
      yield;
    }
  }

  #act(what: number, top: Open): void {
    this.#writer.act(what, top.kept, top.theirs.length - top.j + top.kept);
    top.kept = 0;
  }

  #end(top: Open): void {
    this.#open.pop();
    // after the root nothing can follow
    if (this.#open.length > 0) this.#act(action.end, top);
  }

  #gone(top: Open): void {
    this.#act(action.gone, top);
    const before = top.j;
    const next = this.#fresh.index[top.ours[top.i]!];
    while (top.j < top.theirs.length) {
      if (next !== undefined && compareEntries(this.#base[top.theirs[top.j]!]!, next) >= 0) break;
      top.j++;
    }
    this.#writer.gone(top.j - before);
  }

  *#add(top: Open): Generator<void, void> {
    const entry = top.ours[top.i++]!;
    this.#act(action.add, top);
    if (entry > 0) this.#writer.name(this.#fresh.index[entry]!.name);
    yield* this.#node(entry, undefined);
  }

  /** Two entries of the same name. */
  *#beside(top: Open): Generator<void, void> {
    const entry = top.ours[top.i]!;
    const other = top.theirs[top.j]!;
    // a directory may be laid beside another one than that of its own name
    if (this.#alignment.equal[entry] === 1 && this.#alignment.partner[entry] === other) {
      top.kept++;
      this.#countKept(entry);
    } else if (this.#fresh.index[entry]!.kind === kind.directory && this.#base[other]!.kind === kind.directory) {
      this.#act(action.enter, top);
      this.#enter(entry, other);
    } else {
      this.#act(action.change, top);
      yield* this.#node(entry, other);
    }
    top.i++;
    top.j++;
  }

  /** Writes what `entry` is; `other` is the entry of the base in whose place it stands. */
  *#node(entry: number, other: number | undefined): Generator<void, void> {
    const about = this.#fresh.index[entry]!;
    if (other !== undefined) this.#writer.expect({ base: 0, entry: other });
    if (isFile(about)) {
      const beside: BaseFile | undefined = other === undefined ? undefined : { base: 0, entry: other };
      yield* this.#files.encode(entry, beside);
    } else if (about.kind === kind.symlink) {
      const old = other === undefined ? undefined : this.#base[other]!;
      this.#writer.symlink(about.target, old?.kind === kind.symlink ? old.target : undefined);
    } else {
      const partner = this.#alignment.partner[entry]!;
      const like = this.#base[partner]?.kind === kind.directory ? partner : -1;
      this.#writer.node(like >= 0 ? node.directoryLike : node.directory);
      if (like >= 0) this.#writer.reference({ base: 0, entry: like });
      this.#enter(entry, like);
    }
  }

  #enter(entry: number, other: number): void {
    const theirs = other < 0 ? [] : childrenOf(this.#base, other);
    this.#open.push({ ours: childrenOf(this.#fresh.index, entry), theirs, i: 0, j: 0, kept: 0 });
  }

  #countKept(entry: number): void {
    const { end } = this.#fresh.index[entry]!;
    for (let at = entry; at < end; at++) if (isFile(this.#fresh.index[at]!)) this.#tally.files.equal++;
  }
}
