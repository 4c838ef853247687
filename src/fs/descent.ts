// Paths for a walk through a tree of any depth. The kernel takes paths of 4095 bytes at most, and 64 nested names of 255
// bytes are four times that: below such a depth a walk stands on an open directory and says /proc/self/fd/N/name. Names are
// bytes; Node takes them as strings only where they are ASCII.

import { closeSync, constants, openSync } from 'node:fs';
import { byteString, bytesFrom, displayBytes } from '../bytes/byte-string.ts';
import type { ByteString } from '../bytes/byte-string.ts';
import { ioError } from '../errors.ts';
import type { NarrowError } from '../errors.ts';

/** What node:fs takes: a string where that says the same bytes. */
export type OsPath = string | Buffer;

/** Paths of directories longer than this are left behind for a descriptor; leaves room for a name. */
const PATH_LIMIT = 3800;
/** Linux: opens a directory only to stand on it; needs no permission to read it. Node has no name for it. */
const O_PATH = 0o10000000;

/** The path as node:fs takes it. */
export function osPath(path: ByteString): OsPath {
  // eslint-disable-next-line no-control-regex
  return /[^\x00-\x7f]/.test(path) ? bytesFrom(path) : path;
}

/** The bytes of a path that came as text or bytes. */
export function pathBytes(path: string | Uint8Array): ByteString {
  return byteString(Buffer.from(path as string));
}

/** Where a walk is: a stack of directories, the last of which is the current one. */
export class Descent implements Disposable {
  readonly #root: ByteString;
  readonly #names: ByteString[] = [];
  /** For each directory entered, how its children are reached, and the descriptor that this needs. */
  readonly #stack: { readonly prefix: string; readonly fd: number | undefined }[] = [];

  /** Starts above `root`: the first `enter` is of the root itself and takes the empty name. */
  constructor(root: string | Uint8Array) {
    this.#root = pathBytes(root);
  }

  /** How many directories are entered. */
  get depth(): number {
    return this.#stack.length;
  }

  /** The path of `name` in the current directory, for a system call; of the root when nothing is entered. */
  child(name: ByteString): ByteString {
    const current = this.#stack.at(-1);
    return (current === undefined ? this.#root : current.prefix + name) as ByteString;
  }

  /** Makes the directory `name` the current one. */
  enter(name: ByteString): void {
    const path = this.child(name);
    let prefix = `${path}/`;
    let fd: number | undefined;
    if (path.length > PATH_LIMIT) {
      fd = this.#stand(path, name);
      prefix = `/proc/self/fd/${fd}/`;
    }
    this.#stack.push({ prefix, fd });
    this.#names.push(name);
  }

  /** Goes back up; returns the path of the directory that was left, for a system call. */
  leave(): ByteString {
    const left = this.#stack.pop();
    if (left?.fd !== undefined) closeSync(left.fd);
    return this.child(this.#names.pop() ?? ('' as ByteString));
  }

  /** The error for a system call that failed on `name` in the current directory; names the whole path. */
  error(action: string, name: ByteString, cause: unknown): NarrowError {
    return ioError(action, this.text(name), cause);
  }

  /** The path of `name` as people read it. */
  text(name: ByteString): string {
    const names = this.#stack.length === 0 ? [] : [...this.#names.slice(1), name];
    return displayBytes([this.#root, ...names].join('/') as ByteString);
  }

  /** Closes what is open; the walk is over. */
  [Symbol.dispose](): void {
    for (const { fd } of this.#stack.splice(0)) if (fd !== undefined) closeSync(fd);
    this.#names.length = 0;
  }

  #stand(path: ByteString, name: ByteString): number {
    try {
      return openSync(osPath(path), O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    } catch (error) {
      throw this.error('open directory', name, error);
    }
  }
}
