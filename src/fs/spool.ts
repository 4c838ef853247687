// Bytes put aside: in memory while they are few, then in a temporary file that has no name any more and so goes away with
// the process.

import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { ioError } from '../errors.ts';
import { spoolDirectory } from './state-directory.ts';

/** Kept in memory up to here, in bytes, where nothing else is said. */
const memoryLimit = 1 << 20;
const readSize = 256 * 1024;

/** Written once from the start to the end, then read in any order, any number of times. */
export class Spool implements AsyncDisposable {
  readonly #inMemory: number;
  #directory: string | undefined;
  #chunks: Buffer[] = [];
  #file: FileHandle | undefined;
  #size = 0;

  /** `directory` has to be there, and to have room for what comes; default one in the state directory. */
  constructor(directory?: string, inMemory: number = memoryLimit) {
    this.#directory = directory;
    this.#inMemory = inMemory;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** Appends a borrowed chunk. Throws `io`. */
  async write(chunk: Uint8Array): Promise<void> {
    if (!this.#file && this.#size + chunk.length <= this.#inMemory) this.#chunks.push(Buffer.from(chunk));
    else await this.#append(chunk);
    this.#size += chunk.length;
  }

  /** The bytes from `offset` on, at most `length`. Several may be read at once. */
  async *read(offset = 0, length: number = this.#size - offset): AsyncGenerator<Uint8Array, void, undefined> {
    const end = Math.min(this.#size, offset + length);
    if (!this.#file) {
      if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
      if (offset < end) yield this.#chunks[0]!.subarray(offset, end);
      return;
    }
    const buffer = Buffer.allocUnsafeSlow(Math.min(readSize, Math.max(end - offset, 1)));
    for (let at = offset; at < end;) {
      const { bytesRead } = await this.#file.read(buffer, 0, Math.min(buffer.length, end - at), at);
      if (bytesRead === 0) throw ioError('read', 'a temporary file', new Error('it has become shorter'));
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#chunks = [];
    await this.#file?.close();
    this.#file = undefined;
  }

  async #append(chunk: Uint8Array): Promise<void> {
    const directory = (this.#directory ??= spoolDirectory());
    try {
      if (!this.#file) {
        this.#file = await openNameless(directory);
        await writeAll(this.#file, Buffer.concat(this.#chunks), 0);
        this.#chunks = [];
      }
      await writeAll(this.#file, chunk, this.#size);
    } catch (error) {
      throw ioError('write a temporary file in', directory, error);
    }
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < chunk.length;) {
    const { bytesWritten } = await file.write(chunk, at, chunk.length - at, position + at);
    at += bytesWritten;
  }
}

async function openNameless(directory: string): Promise<FileHandle> {
  const path = join(directory, `narrow-${randomUUID()}`);
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  await rm(path);
  return file;
}
