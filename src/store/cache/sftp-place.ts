// A directory on an SFTP server: paths in it, directories made when they are missed, and refusals in words. The protocol has
// one number for a full disk, a read-only one and much else: so the file system is asked.

import { ioError } from '../../errors.ts';
import { isDirectory } from '../../protocol/sftp/attributes.ts';
import type { SftpClient } from '../../protocol/sftp/client.ts';
import type { FileSystemSpace, SftpHandle, SftpOperation } from '../../protocol/sftp/operations.ts';
import { sftpOperations as ops } from '../../protocol/sftp/operations.ts';
import type { SftpFailure } from '../../protocol/sftp/status.ts';
import { isSftpFailure, sftpStatus } from '../../protocol/sftp/status.ts';
import { namesOfReference } from './reference-names.ts';
import { Slots } from './slots.ts';

/** More files at once fill no line better, and servers have a limit. */
const mostHandles = 768;
/** Fewer than may be open: answers to openings come behind what is read, and behind all of it the line would be idle for a round trip. */
const mostHeads = 256;
/** A disk with less room is full: others may have made some since a write has failed. */
const hardlyAny = 1024 * 1024;
const directoryMode = 0o755;

export class SftpPlace {
  readonly client: SftpClient;
  /** Without a slash at the end. */
  readonly url: string;
  /** There; relative to the home where it does not begin with a slash. */
  readonly root: string;
  /** Beginnings of files that are read at once: see {@link mostHeads}. */
  readonly heads: Slots = new Slots(mostHeads);
  readonly #handles: Slots;
  readonly #directories = new Map<string, Promise<void>>();
  #full = false;

  constructor(client: SftpClient, url: string, root: string) {
    this.client = client;
    this.url = url;
    this.root = root;
    this.#handles = new Slots(Math.max(1, Math.min(mostHandles, client.limits.handles - 8)));
  }

  /** Throws `format` for a reference that leads out. */
  pathOf(reference: string): string {
    return this.join(namesOfReference(reference, this.url).join('/'));
  }

  /** The path of a name below the root. */
  join(name: string): string {
    if (name === '') return this.root;
    return this.root === '/' ? `/${name}` : `${this.root}/${name}`;
  }

  /** A path, as it is told in errors. */
  told(path: string): string {
    return path.startsWith(this.root) ? `${this.url}${path.slice(this.root.length)}` : `${path} of ${this.url}`;
  }

  /** Asks about a file. Throws `io` with the reason of a refusal, `unavailable`. */
  async call<Q, R>(action: string, path: string, operation: SftpOperation<Q, R>, request: Q): Promise<R> {
    try {
      return await this.client.call(operation, request);
    } catch (error) {
      throw await this.explain(action, path, error);
    }
  }

  /** The same; undefined where there is no such file. */
  async callOrAbsent<Q, R>(
    action: string,
    path: string,
    operation: SftpOperation<Q, R>,
    request: Q,
  ): Promise<R | undefined> {
    try {
      return await this.client.call(operation, request);
    } catch (error) {
      if (isSftpFailure(error, sftpStatus.noSuchFile)) return undefined;
      throw await this.explain(action, path, error);
    }
  }

  /** A refusal, told as the operating system there would. */
  async explain(action: string, path: string, error: unknown): Promise<unknown> {
    if (!isSftpFailure(error)) return error;
    const errno = await this.#errno(error);
    const cause = Object.assign(new Error(`the server says '${String(error.data['remote'])}'`, { cause: error }), {
      code: errno,
    });
    return ioError(action, this.told(path), cause);
  }

  /** Opens a file; `use` has its handle, and closes it. There are so many at once. */
  withHandle<T>(open: () => Promise<SftpHandle>, use: (handle: SftpHandle) => Promise<T>): Promise<T> {
    return this.#handles.run(async () => use(await open()));
  }

  /** Room on the file system of a directory; undefined where the server cannot tell. */
  async space(path: string): Promise<FileSystemSpace | undefined> {
    return this.client.call(ops.space, { path }).catch(() => undefined);
  }

  /** Runs `task`; where it misses a directory, that of `path` is made, and it runs again. */
  async inDirectory<T>(path: string, task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (error) {
      if (!isSftpFailure(error, sftpStatus.noSuchFile)) throw error;
      await this.makeDirectory(parentOf(path));
      return task();
    }
  }

  /** Makes a directory and those above it, once. Throws `io`. */
  makeDirectory(path: string): Promise<void> {
    let made = this.#directories.get(path);
    if (!made) {
      made = this.#make(path);
      this.#directories.set(path, made);
      made.catch(() => this.#directories.delete(path));
    }
    return made;
  }

  /** All those above it are asked for with it, not one after the other: most are there, which does no harm. */
  async #make(path: string): Promise<void> {
    const make = (one: string): Promise<void> =>
      this.client.call(ops.makeDirectory, { path: one, mode: directoryMode });
    for (const above of ancestorsOf(path)) make(above).catch(() => {});
    const made = make(path);
    // it will be missed next
    if (path === this.root) void this.makeDirectory(this.join('nar')).catch(() => {});
    try {
      await made;
    } catch (error) {
      const there = await this.client.call(ops.stat, { path }).catch(() => undefined);
      if (!there || !isDirectory(there)) throw await this.explain('make the directory', path, error);
    }
  }

  async #errno({ status }: SftpFailure): Promise<string> {
    if (status === sftpStatus.noSuchFile) return 'ENOENT';
    if (status === sftpStatus.permissionDenied) return 'EACCES';
    if (status !== sftpStatus.failure) return '';
    if (this.#full) return 'ENOSPC';
    const space = await this.space(this.root);
    if (!space) return '';
    if (space.readOnly) return 'EROFS';
    const noFiles = space.files > 0 && space.filesFree === 0;
    this.#full = noFiles || space.block * space.available < hardlyAny;
    return this.#full ? 'ENOSPC' : '';
  }
}

/** The directory that a path is in. */
export function parentOf(path: string): string {
  const slash = path.replace(/\/+$/, '').lastIndexOf('/');
  if (slash < 0) return '.';
  return slash === 0 ? '/' : path.slice(0, slash);
}

/** From the top down, without `/` and `.`. */
function ancestorsOf(path: string): string[] {
  const above: string[] = [];
  for (let one = parentOf(path); one !== '/' && one !== '.'; one = parentOf(one)) above.unshift(one);
  return above;
}
