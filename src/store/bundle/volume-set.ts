// The volumes of a bundle as one string of bytes. A block is checked whenever it is read.

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { NarrowError, formatError, ioError } from '../../errors.ts';
import { blockSize, footerSize, hashSize, parseEnd, parseFooter, volumeMagic } from './volume.ts';
import type { Segment, VolumeEnd } from './volume.ts';

export interface Volume extends VolumeEnd {
  readonly file: string;
}

interface OpenVolume extends Volume {
  readonly handle: FileHandle;
}

/** A block that is not what it was. */
export interface Damage {
  readonly file: string;
  readonly volume: number;
  /** In the file. */
  readonly offset: number;
  readonly length: number;
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
    const volumes: OpenVolume[] = [];
    for (const file of files) volumes.push(await openVolume(file, stack));
    volumes.sort((a, b) => a.table.volume - b.table.volume);
    expectComplete(volumes);
    return new VolumeSet(volumes, stack.move());
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
      const block = await readBlock(volume, index, buffer);
      const damage = damageOf(volume, index, block);
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
        const block = await readBlock(volume, index, buffer);
        onBytes(block.length);
        const damage = damageOf(volume, index, block);
        if (damage) yield damage;
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

export function damageError({ file, volume, offset, length }: Damage): NarrowError {
  return new NarrowError('integrity', `${file} is damaged between offsets ${offset} and ${offset + length}`, {
    hint: 'copy this file again; the others need not be sent again',
    data: { file, volume, offset, length },
  });
}

async function openVolume(file: string, stack: AsyncDisposableStack): Promise<OpenVolume> {
  const handle = await attempt(file, () => open(file, constants.O_RDONLY));
  stack.defer(() => handle.close());
  const { size } = await attempt(file, () => handle.stat());
  const head = await readAt(handle, file, 0, Math.min(volumeMagic.length, size));
  if (!head.equals(volumeMagic))
    throw formatError(
      'not a bundle',
      { source: file, offset: 0 },
      { expected: '"nrwbndl" and version 1', got: JSON.stringify(head.toString('latin1')) },
    );
  const footerAt = Math.max(size - footerSize, 0);
  const lengths = parseFooter(await readAt(handle, file, footerAt, size - footerAt), size, file);
  const textAt = footerAt - lengths.table - lengths.signatures;
  // a block has 32 bytes of hashes behind it
  const hashCount = Math.ceil((textAt - volumeMagic.length) / (blockSize + hashSize));
  const endAt = textAt - hashCount * hashSize;
  if (endAt < volumeMagic.length) throw formatError('bad end of a bundle', { source: file, offset: footerAt });
  const end = parseEnd(await readAt(handle, file, endAt, size - endAt), lengths, { source: file, offset: endAt });
  if (end.table.size !== endAt - volumeMagic.length)
    throw formatError(
      'a bundle of another size',
      { source: file },
      { expected: `${end.table.size} bytes`, got: `${endAt - volumeMagic.length}` },
    );
  return { ...end, file, handle };
}

/** Volumes of one bundle, one after the other, from the first to the last. */
function expectComplete(volumes: readonly OpenVolume[]): void {
  const [first] = volumes;
  if (!first) throw new NarrowError('usage', 'no bundle was named');
  for (const { file, table } of volumes)
    if (table.bundle !== first.table.bundle)
      throw new NarrowError('format', `${file} is a volume of another bundle than ${first.file}`, { data: { file } });
  const there = new Map<number, OpenVolume>();
  for (const volume of volumes) {
    const { volume: number } = volume.table;
    const before = there.get(number);
    if (before && !Buffer.from(before.digest).equals(volume.digest))
      throw new NarrowError('format', `${volume.file} and ${before.file} are different volumes ${number}`);
    if (before) throw new NarrowError('usage', `${volume.file} and ${before.file} are the same volume ${number}`);
    there.set(number, volume);
  }
  const last = volumes.at(-1)!;
  const absent = Array.from({ length: last.table.volume }, (_, i) => i + 1).filter((number) => !there.has(number));
  const open = last.table.segments === undefined;
  if (absent.length > 0 || open) {
    const which = [...absent.map(String), ...(open ? [`all after ${last.table.volume}`] : [])].join(', ');
    throw new NarrowError('missing', `volumes of the bundle of ${first.file} are not there: ${which}`, {
      hint: 'name all files of the bundle, or put them into one directory',
      data: { bundle: first.table.bundle, volumes: absent, more: open },
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

async function readBlock({ handle, file, table }: OpenVolume, index: number, buffer: Buffer): Promise<Buffer> {
  const length = Math.min(blockSize, table.size - index * blockSize);
  return readAt(handle, file, volumeMagic.length + index * blockSize, length, buffer);
}

function damageOf({ file, table, hashes }: OpenVolume, index: number, block: Uint8Array): Damage | undefined {
  const digest = createHash('sha256').update(block).digest();
  if (digest.equals(hashes.subarray(index * hashSize, (index + 1) * hashSize))) return undefined;
  return { file, volume: table.volume, offset: volumeMagic.length + index * blockSize, length: block.length };
}

/** Exactly `length` bytes. */
async function readAt(
  handle: FileHandle,
  file: string,
  offset: number,
  length: number,
  into: Buffer = Buffer.allocUnsafe(length),
): Promise<Buffer> {
  for (let done = 0; done < length;) {
    const { bytesRead } = await attempt(file, () => handle.read(into, done, length - done, offset + done));
    if (bytesRead === 0) throw formatError('a file that has become shorter', { source: file, offset: offset + done });
    done += bytesRead;
  }
  return into.subarray(0, length);
}

async function attempt<T>(file: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw ioError('read', file, error);
  }
}
