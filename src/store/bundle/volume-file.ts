// One file of a bundle: opened, and read block by block, each checked.

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { NarrowError, formatError, ioError } from '../../errors.ts';
import { blockSize, footerSize, hashSize, parseEnd, parseFooter, volumeMagic } from './volume.ts';
import type { VolumeEnd } from './volume.ts';

export interface Volume extends VolumeEnd {
  readonly file: string;
}

export interface OpenVolume extends Volume {
  readonly handle: FileHandle;
  /** Others of the same volume: where one is damaged the next is read. */
  readonly copies: OpenVolume[];
}

/** A block that is not what it was. */
export interface Damage {
  readonly file: string;
  readonly volume: number;
  /** In the file. */
  readonly offset: number;
  readonly length: number;
}

export function damageError({ file, volume, offset, length }: Damage): NarrowError {
  return new NarrowError('integrity', `${file} is damaged between offsets ${offset} and ${offset + length}`, {
    hint: 'copy this file again, or ask for it: narrow bundle missing FILE… -o REQUEST; the others need not be sent again',
    data: { file, volume, offset, length },
  });
}

/** The handle is closed with the stack. Throws `format`, `io`. */
export async function openVolume(file: string, stack: AsyncDisposableStack): Promise<OpenVolume> {
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
  return { ...end, file, handle, copies: [] };
}

/** A block out of the first copy of its volume in which it is sound; the damage of the first where it is so in none. */
export async function readSound(
  volume: OpenVolume,
  index: number,
  buffer: Buffer,
): Promise<{ block: Buffer; damage?: Damage | undefined }> {
  const block = await readBlock(volume, index, buffer);
  const damage = damageOf(volume, index, block);
  if (!damage) return { block };
  for (const copy of volume.copies) {
    const other = await readBlock(copy, index, buffer);
    if (!damageOf(copy, index, other)) return { block: other };
  }
  return { block, damage };
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
