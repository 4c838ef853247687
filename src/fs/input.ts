// Input of a command as a byte source: a file that is named, or standard input.

import { constants, fstatSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import type { ByteSource } from '../bytes/source.ts';
import { ioError } from '../errors.ts';

/** Files are read by this much, in bytes. */
const READ_SIZE = 256 * 1024;

/** An input that is a regular file, open as `fd`. */
export interface InputFile {
  readonly fd: number;
  readonly size: number;
  /** Opens the same file again, whatever became of its name. */
  readonly path: string;
  range(offset: number, length: number): ByteSource;
}

/** An opened input. */
export interface Input extends AsyncDisposable {
  /** What it is called in errors. */
  readonly name: string;
  /** Set for regular files: bytes there are; the parts of it can be read in any order, any number of times. */
  readonly file: InputFile | undefined;
  /** All of it, from its start. A pipe can be read once only. */
  read(): ByteSource;
}

/**
 * Opens the file `path`; `-` or undefined is standard input, read as a file where it is one. `signal` ends the wait for a
 * pipe that brings nothing. Throws `io`.
 */
export async function openInput(path: string | undefined, signal?: AbortSignal): Promise<Input> {
  if (path !== undefined && path !== '-') return openFile(path, path);
  const stdin = 'standard input';
  if (fstatSync(0).isFile()) return openFile('/dev/fd/0', stdin);
  const read = (): ByteSource => (signal ? addAbortSignal(signal, process.stdin) : process.stdin);
  return { name: stdin, file: undefined, read, [Symbol.asyncDispose]: async () => {} };
}

async function openFile(path: string, name: string): Promise<Input> {
  const handle = await attempt('open', name, () => open(path, constants.O_RDONLY));
  const stats = await attempt('inspect', name, () => handle.stat());
  const file = stats.isFile()
    ? {
        fd: handle.fd,
        path: `/proc/self/fd/${handle.fd}`,
        size: stats.size,
        range: (offset: number, length: number) => chunksOf(handle, name, offset, length),
      }
    : undefined;
  return {
    name,
    file,
    read: () => chunksOf(handle, name, file ? 0 : undefined, Infinity),
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** Up to `length` bytes from `offset` on; from where the descriptor stands when that is undefined. Chunks are borrowed. */
export async function* chunksOf(
  handle: FileHandle,
  name: string,
  offset: number | undefined,
  length: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(READ_SIZE, Math.max(length, 1)));
  for (let done = 0; done < length;) {
    const wanted = Math.min(buffer.length, length - done);
    const at = offset === undefined ? null : offset + done;
    const { bytesRead } = await attempt('read', name, () => handle.read(buffer, 0, wanted, at));
    if (bytesRead === 0) return;
    done += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function attempt<T>(action: string, name: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw ioError(action, name, error);
  }
}
