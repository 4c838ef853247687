// Encodes one file in the cheapest way found: as it is in a base, as a copy, changed from a similar one, or fresh.

import { columnCount as codecColumns, encodeFile } from './codec/file.ts';
import type { Level } from './codec/file.ts';
import { windowSize } from './codec/layout.ts';
import type { BaseFile } from './candidates.ts';
import { ColumnWriter } from './columns.ts';
import { estimate, estimateColumns } from './estimate.ts';
import type { FilePlan } from './file-plan.ts';
import type { DigestedFiles, TreeFiles } from './files.ts';
import { giveBack } from './give-back.ts';
import { filterBlock, isFiltered } from './fresh-filter.ts';
import { blockSize, node, source } from './layout.ts';
import { FileOpener } from './open-file.ts';
import { forgetPages } from './pages.ts';
import { inMemory } from './random-bytes.ts';
import type { RandomBytes } from './random-bytes.ts';
import type { Opened } from './recompress/member.ts';
import type { Tally } from './report.ts';
import { inBlocks } from './tree-file.ts';
import { kind } from './tree-index.ts';
import type { TreeWriter } from './tree-writer.ts';
import type { UnitWriter } from './unit.ts';

export interface FileEncoderOptions {
  readonly level: Level;
  readonly tally: Tally;
  /** What the receiver can pack with. */
  readonly tools: ReadonlySet<string> | undefined;
}

/** Columns of one window may not be more: then the files are too different. */
const windowLimit = 24 * 1024 * 1024;
/** Files of a base that are tried. */
const tries: Readonly<Record<Level, number>> = { fast: 2, best: 3 };
/** Of larger files only the likeliest is tried: a delta that waits for a better one holds memory. */
const largeSize = 8 * 1024 * 1024;
/** A delta of less than this part of the file is taken without a look at what else there is. */
const clearlyGood = 0.02;

/** A delta whose first window is written and found worth it. */
interface Trial {
  readonly from: BaseFile;
  /** Where the delta is one of what is in compressed files. */
  readonly opened: Opened | undefined;
  readonly cost: number;
  readonly first: readonly Uint8Array[];
  readonly work: Generator<void, void>;
  readonly out: ColumnWriter;
}

export class FileEncoder {
  readonly #fresh: TreeFiles;
  readonly #bases: readonly (DigestedFiles | undefined)[];
  readonly #plan: FilePlan;
  readonly #unit: UnitWriter;
  readonly #writer: TreeWriter;
  readonly #level: Level;
  readonly #opener: FileOpener;
  readonly #tally: Tally;
  readonly #block = Buffer.allocUnsafe(blockSize);

  constructor(
    fresh: TreeFiles,
    bases: readonly (DigestedFiles | undefined)[],
    plan: FilePlan,
    unit: UnitWriter,
    writer: TreeWriter,
    { level, tally, tools }: FileEncoderOptions,
  ) {
    this.#fresh = fresh;
    this.#bases = bases;
    this.#plan = plan;
    this.#unit = unit;
    this.#writer = writer;
    this.#level = level;
    this.#tally = tally;
    this.#opener = new FileOpener(fresh, level, tools);
  }

  /** Writes file `entry`; `beside` is what stands in its place in the first base. Yields where a cut may be. */
  *encode(entry: number, beside: BaseFile | undefined): Generator<void, void> {
    const executable = this.#fresh.index[entry]!.kind === kind.executable ? node.executable : 0;
    const keep = this.#plan.kept.has(entry) ? node.keep : 0;
    const start = node.file + executable + keep;
    const moved = this.#found(entry, beside);
    const copy = this.#plan.copies.get(entry);
    if (moved !== undefined) {
      this.#writer.node(start + source.moved * node.source);
      this.#writer.reference(moved);
      this.#tally.files.moved++;
    } else if (copy !== undefined) {
      this.#writer.node(start + source.copy * node.source);
      this.#writer.copy(copy);
      this.#tally.files.moved++;
    } else {
      yield* this.#changed(entry, start, beside);
    }
  }

  /** Writes a file that is to be found nowhere as it is. */
  *#changed(entry: number, start: number, beside: BaseFile | undefined): Generator<void, void> {
    const likely = this.#plan.candidates.similar(entry, beside, tries[this.#level]);
    // without a base to gain much from, packing again would cost the receiver more time than the bytes
    const opened = likely.length > 0 || this.#level === 'best' ? this.#opener.open(entry) : undefined;
    const { size } = this.#fresh.index[entry]!;
    const trial = (opened && this.#openedTrial(entry, likely, opened)) ?? this.#trial(entry, likely);
    if (trial !== undefined) yield* this.#writeSimilar(entry, start, trial);
    else if (opened !== undefined && this.#level === 'best' && estimate(opened.contents) < size * 0.95)
      yield* this.#writeOpened(entry, start, opened);
    else yield* this.#writeFresh(entry, start);
    if (opened !== undefined) giveBack(opened.contents);
  }

  /** Where the file is as it is; in its own place, if there, for then the reference is short. */
  #found(entry: number, beside: BaseFile | undefined): BaseFile | undefined {
    const moved = this.#plan.moved.get(entry);
    const old = beside && this.#bases[beside.base];
    if (moved === undefined || old === undefined || beside === undefined) return moved;
    const { size } = this.#fresh.index[entry]!;
    return old.index[beside.entry]!.size === size && old.digest(beside.entry) === this.#fresh.digest(entry)
      ? beside
      : moved;
  }

  /** The best delta against a similar file, if one is worth it. */
  #trial(entry: number, likely: readonly BaseFile[]): Trial | undefined {
    const { size } = this.#fresh.index[entry]!;
    if (size === 0) return undefined;
    const tried = size > largeSize ? likely.slice(0, 1) : likely;
    const file = this.#fresh.file(entry);
    let best: Trial | undefined;
    let fresh: number | undefined;
    for (const from of tried) {
      const trial = this.#try(from, this.#bases[from.base]!.tree!.file(from.entry), this.#fresh.file(entry));
      if (trial === undefined) continue;
      if (trial.cost < clearlyGood * size) {
        if (best) drop(best);
        return trial;
      }
      fresh ??= estimate(file.read(0, Math.min(size, 4 * blockSize))) * Math.max(1, size / (4 * blockSize));
      const worse = trial.cost < (best?.cost ?? fresh) ? best : trial;
      if (worse) drop(worse);
      if (worse !== trial) best = trial;
      if (best !== undefined && best.cost < fresh * 0.5) break;
    }
    return best;
  }

  /** The best delta between what is in two compressed files. */
  #openedTrial(entry: number, likely: readonly BaseFile[], opened: Opened): Trial | undefined {
    const { size } = this.#fresh.index[entry]!;
    for (const from of likely) {
      const old = this.#bases[from.base]!.tree!.expanded(from.entry);
      const trial = old && this.#try(from, inMemory(old), inMemory(opened.contents), opened);
      if (trial !== undefined && trial.cost + opened.recipe.length < size * 0.5) return trial;
      if (trial) drop(trial);
      if (old) giveBack(old);
    }
    return undefined;
  }

  #try(from: BaseFile, old: RandomBytes, file: RandomBytes, opened?: Opened): Trial | undefined {
    const out = new ColumnWriter(codecColumns);
    const work = encodeFile(old, file, this.#level, out);
    work.next();
    if (out.size > windowLimit) {
      drop({ first: [], work, out });
      return undefined;
    }
    const first = out.take();
    const windows = Math.max(1, file.size / windowSize);
    return { from, opened, cost: estimateColumns(first) * windows, first, work, out };
  }

  *#writeSimilar(entry: number, start: number, { from, opened, first, work, out }: Trial): Generator<void, void> {
    const { size } = this.#fresh.index[entry]!;
    this.#writer.node(start + (opened === undefined ? source.similar : source.repacked) * node.source);
    this.#writer.reference(from);
    this.#writer.sizeBeside(size, this.#bases[from.base]!.index[from.entry]!.size);
    if (opened !== undefined) this.#writer.recipe(opened.recipe, opened.contents.length);
    let written = 0;
    for (let columns = first; ; columns = out.take()) {
      for (const [i, bytes] of columns.entries()) {
        this.#unit.codec.bytes(i, bytes);
        written += bytes.length;
        giveBack(bytes);
      }
      yield;
      if (work.next().done === true) break;
    }
    forgetPages();
    if (opened === undefined) this.#tally.files.similar++;
    else this.#tally.files.recompressed++;
    this.#tally.changed(this.#fresh.head(entry), written);
  }

  *#writeFresh(entry: number, start: number): Generator<void, void> {
    const { size } = this.#fresh.index[entry]!;
    this.#writer.node(start + source.fresh * node.source);
    this.#writer.size(size);
    this.#tally.files.fresh++;
    yield* this.#contents(this.#fresh.read(entry), size);
  }

  /** A compressed file whose contents go into the stream of fresh contents. */
  *#writeOpened(entry: number, start: number, { recipe, contents }: Opened): Generator<void, void> {
    this.#writer.node(start + source.packedFresh * node.source);
    this.#writer.size(this.#fresh.index[entry]!.size);
    this.#writer.recipe(recipe, contents.length);
    this.#tally.files.recompressed++;
    yield* this.#contents([contents], contents.length);
  }

  *#contents(contents: Iterable<Uint8Array>, size: number): Generator<void, void> {
    let at = 0;
    let filtered = false;
    for (const block of inBlocks(contents, this.#block)) {
      if (at === 0) {
        filtered = isFiltered(block);
        this.#tally.fresh(block.subarray(0, 8), size);
      }
      if (filtered) filterBlock(block, at);
      this.#unit.fresh(block);
      at += block.length;
      yield;
    }
  }
}

/** Frees what a trial holds that is not taken. */
function drop({ first, work, out }: Pick<Trial, 'first' | 'work' | 'out'>): void {
  work.return();
  out[Symbol.dispose]();
  for (const bytes of first) giveBack(bytes);
}
