// Makes one file from where its recipe says that its contents come from.

import type { ByteString } from '../bytes/byte-string.ts';
import { NarrowError, formatError } from '../errors.ts';
import { decodeFile } from './codec/file.ts';
import type { BaseFile } from './candidates.ts';
import type { TreeFiles } from './files.ts';
import { giveBack, makeRoom } from './give-back.ts';
import { isFiltered, unfilterBlock } from './fresh-filter.ts';
import { blockSize, contentsLimit, keepLimit, memberLimit, node, source } from './layout.ts';
import type { NarWriter } from './nar-writer.ts';
import type { PathInput } from './path-input.ts';
import { forgetPages } from './pages.ts';
import { inMemory } from './random-bytes.ts';
import type { RandomBytes } from './random-bytes.ts';
import { packMember } from './recompress/member.ts';
import { isFile, kind } from './tree-index.ts';
import type { TreeReader } from './tree-reader.ts';

export class FileDecoder {
  readonly #input: PathInput;
  readonly #reader: TreeReader;
  readonly #out: NarWriter;
  /** Contents kept for copies, and their bytes in all. */
  readonly #kept: Buffer[][] = [];
  #keptSize = 0;
  /** What compressed files came to. */
  #opened = 0;

  constructor(input: PathInput, reader: TreeReader, out: NarWriter) {
    this.#input = input;
    this.#reader = reader;
    this.#out = out;
  }

  /** Writes a file of a base as it is. */
  *keep(base: TreeFiles, entry: number): Generator<Uint8Array, void> {
    const { name, kind: is, size } = base.index[entry]!;
    yield* this.#whole(name, is === kind.executable, size, base.read(entry));
    this.#input.tally.files.equal++;
  }

  /** Writes a new file; `what` is its node. */
  async *decode(name: ByteString, what: number): AsyncGenerator<Uint8Array, void> {
    const executable = (what & node.executable) !== 0;
    const kept: Buffer[] | undefined = (what & node.keep) === 0 ? undefined : [];
    if (kept !== undefined) this.#kept.push(kept);
    const { files } = this.#input.tally;
    switch (what >> 4) {
      case source.fresh:
        yield* this.#fresh(name, executable, kept);
        files.fresh++;
        return;
      case source.moved: {
        const { base, entry } = this.#referred();
        yield* this.#whole(name, executable, base.index[entry]!.size, base.read(entry));
        files.moved++;
        return;
      }
      case source.similar:
        yield* this.#similar(name, executable, kept);
        files.similar++;
        return;
      case source.repacked:
        yield* this.#repacked(name, executable, kept);
        files.recompressed++;
        return;
      case source.packedFresh:
        yield* this.#packedFresh(name, executable, kept);
        files.recompressed++;
        return;
      case source.copy: {
        const chunks = this.#kept[this.#reader.copy()];
        if (chunks === undefined) throw this.#error('a copy of what was not kept', {});
        const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
        yield* this.#whole(name, executable, size, chunks);
        files.moved++;
        return;
      }
      default:
        throw this.#error('an unknown source of contents', { expected: 'at most 5', got: `${what >> 4}` });
    }
  }

  *#whole(
    name: ByteString,
    executable: boolean,
    size: number,
    contents: Iterable<Uint8Array>,
  ): Generator<Uint8Array, void> {
    this.#begin(name, executable, size);
    for (const chunk of contents) yield* this.#contents(chunk, undefined);
    this.#out.closeRegular();
  }

  async *#fresh(name: ByteString, executable: boolean, kept: Buffer[] | undefined): AsyncGenerator<Uint8Array, void> {
    const size = this.#reader.size();
    this.#begin(name, executable, size);
    for await (const block of this.#blocks(size)) yield* this.#contents(block, kept);
    this.#out.closeRegular();
  }

  async *#similar(name: ByteString, executable: boolean, kept: Buffer[] | undefined): AsyncGenerator<Uint8Array, void> {
    const { base, entry } = this.#referred();
    const old = base.file(entry);
    const size = this.#reader.sizeBeside(old.size);
    this.#begin(name, executable, size);
    for await (const piece of this.#pieces(old, size)) yield* this.#contents(piece, kept);
    this.#out.closeRegular();
  }

  async *#repacked(
    name: ByteString,
    executable: boolean,
    kept: Buffer[] | undefined,
  ): AsyncGenerator<Uint8Array, void> {
    const { base, entry } = this.#referred();
    const size = this.#reader.sizeBeside(base.index[entry]!.size);
    const { recipe, contentsSize } = this.#recipe();
    const old = base.expanded(entry);
    if (old === undefined) throw this.#error('a base that cannot be opened', { expected: 'a compressed file' });
    yield* this.#pack(name, executable, size, recipe, contentsSize, this.#piecesOfOpened(old, contentsSize), kept);
  }

  async *#packedFresh(
    name: ByteString,
    executable: boolean,
    kept: Buffer[] | undefined,
  ): AsyncGenerator<Uint8Array, void> {
    const size = this.#reader.size();
    const { recipe, contentsSize } = this.#recipe();
    yield* this.#pack(name, executable, size, recipe, contentsSize, this.#blocks(contentsSize), kept);
  }

  async *#pack(
    name: ByteString,
    executable: boolean,
    size: number,
    recipe: Uint8Array,
    contentsSize: number,
    pieces: AsyncIterable<Uint8Array>,
    kept: Buffer[] | undefined,
  ): AsyncGenerator<Uint8Array, void> {
    this.#begin(name, executable, size);
    makeRoom(contentsSize);
    const contents = Buffer.allocUnsafe(contentsSize);
    let at = 0;
    for await (const piece of pieces) {
      contents.set(piece, at);
      at += piece.length;
    }
    // again: what made the contents has freed as much, and a packer takes more than all of it
    makeRoom(contentsSize);
    const packed = packMember(recipe, contents, size);
    giveBack(contents);
    yield* this.#contents(packed, kept);
    giveBack(packed);
    this.#out.closeRegular();
  }

  /** The recipe of a compressed file; its contents count against what a path may open. */
  #recipe(): { recipe: Uint8Array; contentsSize: number } {
    const { recipe, contentsSize } = this.#reader.recipe();
    this.#opened += contentsSize;
    const most = contentsLimit(this.#input.narSize);
    if (contentsSize <= memberLimit && this.#opened <= most) return { recipe, contentsSize };
    throw this.#error('compressed files with too much in them', {
      expected: `at most ${memberLimit} bytes in one, ${most} in all`,
      got: `${contentsSize}, ${this.#opened}`,
    });
  }

  /** `size` bytes of fresh contents, in blocks. */
  async *#blocks(size: number): AsyncGenerator<Uint8Array, void> {
    let filtered = false;
    for (let at = 0; at < size; at += blockSize) {
      await this.#input.ready();
      const block = await this.#input.fresh(Math.min(blockSize, size - at));
      if (at === 0) {
        filtered = isFiltered(block);
        this.#input.tally.fresh(block.subarray(0, 8), size);
      }
      if (filtered) unfilterBlock(block, at);
      yield block;
    }
  }

  /** A file of `size` bytes that the file codec makes of `old`. */
  async *#pieces(old: RandomBytes, size: number): AsyncGenerator<Uint8Array, void> {
    const before = this.#input.codecRead;
    const pieces = decodeFile(old, size, () => this.#input.unit.codec);
    let head: Uint8Array | undefined;
    try {
      for (;;) {
        await this.#input.ready();
        const piece = pieces.next();
        if (piece.done === true) break;
        head ??= Uint8Array.from(piece.value.subarray(0, 8));
        yield piece.value;
      }
    } finally {
      pieces.return();
      forgetPages();
    }
    this.#input.tally.changed(head ?? new Uint8Array(0), this.#input.codecRead - before);
  }

  /** The same of what was in a compressed file, whose memory is given back. */
  async *#piecesOfOpened(old: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
    yield* this.#pieces(inMemory(old), size);
    giveBack(old);
  }

  *#contents(chunk: Uint8Array, kept: Buffer[] | undefined): Generator<Uint8Array, void> {
    if (kept !== undefined) {
      this.#keptSize += chunk.length;
      if (this.#keptSize > keepLimit)
        throw this.#error('a path that keeps too much', { expected: `at most ${keepLimit} bytes` });
      kept.push(Buffer.from(chunk));
    }
    for (let at = 0; at < chunk.length; at += blockSize) {
      this.#out.contents(chunk.subarray(at, at + blockSize));
      if (this.#out.full) yield this.#out.take();
    }
  }

  /** A file cannot be larger than the NAR it is in. */
  #begin(name: ByteString, executable: boolean, size: number): void {
    const { narSize } = this.#input;
    if (size > narSize) {
      const what = `${this.#input.name} becomes longer than promised: expected a NAR of ${narSize} bytes`;
      throw new NarrowError('integrity', `${what}, got a file of ${size}`, { data: { expected: narSize, got: size } });
    }
    this.#out.regular(name, executable, size);
  }

  /** The file that is referred to next; it must be one. */
  #referred(): { base: TreeFiles; entry: number } {
    const { base, entry }: BaseFile = this.#reader.reference();
    const files = this.#input.base(base);
    const found = files.index[entry];
    if (found === undefined || !isFile(found))
      throw this.#error('a reference to no file', { expected: 'a file of the base', got: `entry ${entry}` });
    return { base: files, entry };
  }

  #error(what: string, contrast: { expected?: string; got?: string }): NarrowError {
    return formatError(what, { source: `the delta of ${this.#input.name}` }, contrast);
  }
}
