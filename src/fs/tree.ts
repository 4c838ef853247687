// A tree on this machine's disk, read synchronously: for thousands of small files an await each would cost more than the
// system calls. Links are never followed, and what is neither file, directory nor link is refused by name.

import { closeSync, constants, lstatSync, openSync, readSync, readdirSync, readlinkSync } from 'node:fs';
import type { Stats } from 'node:fs';
import type { ByteString } from '../bytes/byte-string.ts';
import { NarrowError, ioError } from '../errors.ts';
import { treePathText } from '../format/nar/tree.ts';
import type { ReadRange, SyncFile, SyncFileTree, TreePath, TreeStat } from '../format/nar/tree.ts';
import { Descent, osPath, pathBytes } from './descent.ts';
import type { OsPath } from './descent.ts';

/** Files are read by this much, in bytes. */
const READ_SIZE = 256 * 1024;
/** The kernel's limit is 4096 with the final NUL. */
const PATH_LIMIT = 4095;
// A fifo that took a file's place must not block the open.
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** Buffers that no read is using: thousands of trees of their own would leave them to the collector, hundreds of megabytes. */
const spare: Buffer[] = [];

/**
 * The tree at `root`: a directory, file or link. A chunk is valid only until the next one is asked for. Errors of the system are `io` errors; files of other kinds are `refused`.
 */
export function localTree(root: string | Uint8Array): SyncFileTree {
  return new LocalTree(pathBytes(root));
}

class LocalTree implements SyncFileTree {
  readonly synchronous = true;
  readonly #root: ByteString;
  /** Size of the file that was asked about last: a read that ends there needs no second one to see the end. */
  #lastPath = '';
  #lastSize = -1;

  constructor(root: ByteString) {
    this.#root = root;
  }

  stat(path: TreePath): TreeStat | undefined {
    const where = this.#join(path);
    const stats = this.#call('inspect', path, lstatIfThere);
    if (stats === undefined) return undefined;
    if (stats.isFile()) {
      this.#lastPath = where;
      this.#lastSize = stats.size;
      return { type: 'regular', size: stats.size, executable: (stats.mode & 0o100) !== 0 };
    }
    if (stats.isDirectory()) return { type: 'directory' };
    if (!stats.isSymbolicLink()) throw this.#refusal(path, stats);
    return { type: 'symlink', target: this.#call('read the link', path, readLink) };
  }

  list(path: TreePath): readonly ByteString[] {
    // Strings of bytes sort as the bytes do.
    return this.#call('list', path, readDirectory).sort();
  }

  open(path: TreePath): SyncFile {
    const fd = this.#call('open', path, openFile);
    return {
      read: (buffer, at, length) => {
        try {
          return readSync(fd, buffer, at, length, null);
        } catch (error) {
          throw ioError('read', this.#text(path), error);
        }
      },
      close: () => closeSync(fd),
    };
  }

  *read(path: TreePath, { offset, length }: ReadRange = {}): Generator<Uint8Array, void, undefined> {
    const start = offset ?? 0;
    const expected = this.#join(path) === this.#lastPath ? this.#lastSize - start : -1;
    const fd = this.#call('open', path, openFile);
    const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(READ_SIZE);
    try {
      let left = length ?? Infinity;
      let done = 0;
      while (left > 0) {
        const position = offset === undefined ? null : start + done;
        const size = this.#fill(fd, buffer, Math.min(left, READ_SIZE), position, path);
        if (size === 0) break;
        done += size;
        left -= size;
        yield size === READ_SIZE ? buffer : buffer.subarray(0, size);
        if (size < READ_SIZE && done === expected) break;
      }
      if (left > 0 && length !== undefined) throw this.#cutShort(path, start, length, done);
    } finally {
      spare.push(buffer);
      closeSync(fd);
    }
  }

  #fill(fd: number, buffer: Buffer, length: number, position: number | null, path: TreePath): number {
    try {
      return readSync(fd, buffer, 0, length, position);
    } catch (error) {
      throw ioError('read', this.#text(path), error);
    }
  }

  #cutShort(path: TreePath, start: number, length: number, done: number): NarrowError {
    const expected = `wanted ${length} bytes from ${start}, got ${done}`;
    return new NarrowError('integrity', `${this.#text(path)} is shorter than expected: ${expected}`);
  }

  #join(path: TreePath): ByteString {
    return (path.length === 0 ? this.#root : `${this.#root}/${path.join('/')}`) as ByteString;
  }

  #text(path: TreePath): string {
    return path.length === 0 ? this.#root : this.#root + treePathText(path);
  }

  /** Does one system call on `path`, however deep that is. */
  #call<T>(action: string, path: TreePath, call: (at: OsPath) => T): T {
    const where = this.#join(path);
    try {
      if (where.length <= PATH_LIMIT) return call(osPath(where));
      using walk = new Descent(Buffer.from(this.#root, 'latin1'));
      walk.enter('' as ByteString);
      for (const name of path.slice(0, -1)) walk.enter(name);
      return call(osPath(walk.child(path.at(-1)!)));
    } catch (error) {
      throw error instanceof NarrowError ? error : ioError(action, this.#text(path), error);
    }
  }

  #refusal(path: TreePath, stats: Stats): NarrowError {
    const kind = stats.isSocket() ? 'a socket' : stats.isFIFO() ? 'a fifo' : 'a device';
    return new NarrowError(
      'refused',
      `${this.#text(path)} is ${kind}: a NAR holds only directories, files and symbolic links`,
      {
        hint: 'remove it from the tree and run again',
      },
    );
  }
}

/** Undefined also where a file stands in a directory's place. */
function lstatIfThere(path: OsPath): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function openFile(path: OsPath): number {
  return openSync(path, OPEN_FLAGS);
}

function readLink(path: OsPath): ByteString {
  return readlinkSync(path, { encoding: 'latin1' }) as ByteString;
}

function readDirectory(path: OsPath): ByteString[] {
  return readdirSync(path, { encoding: 'latin1' }) as ByteString[];
}
