// The volumes of a bundle as one string of bytes. A block is checked whenever it is read.

import { NarrowError, formatError, isNarrowError } from '../../errors.ts';
import { blockSize } from './volume.ts';
import type { Segment } from './volume.ts';
import { damageError, openVolume, readSound } from './volume-file.ts';
import type { Damage, OpenVolume, Volume } from './volume-file.ts';

/** What files lack to be a bundle. */
export interface Survey {
  /** Undefined: none of them could be read. */
  readonly id: string | undefined;
  /** Numbers of volumes that are not there. */
  readonly absent: readonly number[];
  /** Volumes after this one are not there, nobody knows how many; undefined: none. */
  readonly after: number | undefined;
  /** Files that are no volumes, or not any more. */
  readonly unreadable: readonly NarrowError[];
}

export class VolumeSet implements AsyncDisposable {
  readonly #volumes: readonly OpenVolume[];
  readonly #stack: AsyncDisposableStack;
  /** Bytes of all. */
  readonly size: number;
  readonly segments: readonly Segment[];

  private constructor(volumes: readonly OpenVolume[], stack: AsyncDisposableStack) {
    this.#volumes = volumes;
    this.#stack = stack;
    const last = volumes.at(-1)!;
    this.size = last.table.start + last.table.size;
    this.segments = last.table.segments!;
  }

  /** Opens the volumes of one bundle, in any order. Throws `format`, `io`, and `missing` with all that are not there. */
  static async open(files: readonly string[]): Promise<VolumeSet> {
    await using stack = new AsyncDisposableStack();
    const opened: OpenVolume[] = [];
    for (const file of files) opened.push(await openVolume(file, stack));
    const volumes = inOrder(opened);
    expectComplete(volumes);
    return new VolumeSet(volumes, stack.move());
  }

  /** What these files lack to be a bundle, whatever is wrong with them. Throws `format` for volumes of several bundles, `io`. */
  static async survey(files: readonly string[]): Promise<Survey> {
    await using stack = new AsyncDisposableStack();
    const opened: OpenVolume[] = [];
    const unreadable: NarrowError[] = [];
    for (const file of files) {
      try {
        opened.push(await openVolume(file, stack));
      } catch (error) {
        if (!isNarrowError(error, 'format')) throw error;
        unreadable.push(error);
      }
    }
    const volumes = inOrder(opened);
    return { id: volumes[0]?.table.bundle, ...lackOf(volumes), unreadable };
  }

  /** The id of the bundle that a file is a volume of. Throws `format`, `io`. */
  static async idOf(file: string): Promise<string> {
    await using stack = new AsyncDisposableStack();
    return (await openVolume(file, stack)).table.bundle;
  }

  get volumes(): readonly Volume[] {
    return this.#volumes;
  }

  /** The bundle's name for itself. */
  get id(): string {
    return this.#volumes[0]!.table.bundle;
  }

  /** What it is called in messages. */
  get name(): string {
    const [first] = this.#volumes;
    return this.#volumes.length === 1 ? first!.file : `${first!.file} and ${this.#volumes.length - 1} more`;
  }

  /** Bytes of all files. */
  async fileSize(): Promise<number> {
    const sizes = await Promise.all(this.#volumes.map(async ({ handle }) => (await handle.stat()).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /** Exactly `length` bytes from `offset` on, borrowed. Throws `integrity` with the place of a block that is damaged, `io`. */
  async *range(offset: number, length: number): AsyncGenerator<Uint8Array, void, undefined> {
    const buffer = Buffer.allocUnsafeSlow(Math.min(blockSize, this.size));
    const end = offset + length;
    for (let at = offset; at < end;) {
      const volume = this.#volumes.find(({ table }) => at < table.start + table.size);
      if (!volume) throw formatError('a bundle that is too short', { source: this.name, offset: at });
      const index = Math.floor((at - volume.table.start) / blockSize);
      const { block, damage } = await readSound(volume, index, buffer);
      if (damage) throw damageError(damage);
      const from = at - volume.table.start - index * blockSize;
      const part = block.subarray(from, from + end - at);
      at += part.length;
      yield part;
    }
  }

  /** Reads everything, and tells of each block that is damaged. */
  async *damages(
    onBytes: (bytes: number) => void = () => {},
    signal?: AbortSignal,
  ): AsyncGenerator<Damage, void, undefined> {
    const buffer = Buffer.allocUnsafeSlow(Math.min(blockSize, Math.max(this.size, 1)));
    for (const volume of this.#volumes) {
      for (let index = 0; index * blockSize < volume.table.size; index++) {
        signal?.throwIfAborted();
        const { block, damage } = await readSound(volume, index, buffer);
        onBytes(block.length);
        if (damage) yield damage;
      }
    }
  }

  /** All of the file of a volume, as it is. Chunks are borrowed. */
  fileBytes(number: number): AsyncIterable<Uint8Array> {
    const volume = this.#volumes.find(({ table }) => table.volume === number)!;
    return volume.handle.createReadStream({ start: 0, autoClose: false });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** Each volume once, by number; the same again are its copies. Throws `format` unless all are of one bundle. */
function inOrder(opened: readonly OpenVolume[]): OpenVolume[] {
  const [first] = opened;
  const volumes = new Map<number, OpenVolume>();
  for (const volume of opened) {
    const { file, table } = volume;
    if (table.bundle !== first!.table.bundle)
      throw new NarrowError('format', `${file} is a volume of another bundle than ${first!.file}`, { data: { file } });
    const before = volumes.get(table.volume);
    if (!before) volumes.set(table.volume, volume);
    else if (Buffer.from(before.digest).equals(volume.digest)) before.copies.push(volume);
    else throw new NarrowError('format', `${file} and ${before.file} are different volumes ${table.volume}`);
  }
  return [...volumes.values()].sort((a, b) => a.table.volume - b.table.volume);
}

function lackOf(volumes: readonly OpenVolume[]): Pick<Survey, 'absent' | 'after'> {
  const last = volumes.at(-1)?.table;
  const there = new Set(volumes.map(({ table }) => table.volume));
  const absent = Array.from({ length: last?.volume ?? 0 }, (_, i) => i + 1).filter((number) => !there.has(number));
  return { absent, after: last?.segments === undefined ? (last?.volume ?? 0) : undefined };
}

/** Volumes of one bundle, one after the other, from the first to the last. */
function expectComplete(volumes: readonly OpenVolume[]): void {
  const [first] = volumes;
  if (!first) throw new NarrowError('usage', 'no bundle was named');
  const { absent, after } = lackOf(volumes);
  if (absent.length > 0 || after !== undefined) {
    const which = [...absent.map(String), ...(after === undefined ? [] : [`all after ${after}`])].join(', ');
    throw new NarrowError('missing', `volumes of the bundle of ${first.file} are not there: ${which}`, {
      hint: 'name all files of the bundle, or put them into one directory; narrow bundle missing asks for what was lost',
      data: { bundle: first.table.bundle, volumes: absent, more: after !== undefined },
    });
  }
  let start = 0;
  for (const { file, table } of volumes) {
    const expected = `${start}`;
    if (table.start !== start)
      throw formatError('volumes that do not fit', { source: file }, { expected, got: `${table.start}` });
    start += table.size;
  }
}
