// A file that appears under its name whole or not at all: written as `*.tmp.<pid>.<n>` beside it, then renamed. Nothing is
// synced to the disk, as in Nix: docs/decisions/cache-files.md tells why and what a power cut can do.

import { constants } from 'node:fs';
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ioError } from '../errors.ts';

/** Cache files are for everybody to read, whatever the umask. */
const fileMode = 0o644;
/** A temporary file of a process that is gone is removed after so many milliseconds: its process may be on another host. */
const staleAge = 3600 * 1000;

let counter = 0;

/** An open temporary file; disposing it without {@link commit} or {@link keep} removes it. */
export class AtomicFile implements AsyncDisposable {
  /** Its name until it has its own. */
  readonly path: string;
  readonly #file: FileHandle;
  #state: 'open' | 'committed' | 'closed' = 'open';

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Creates `<stem>.tmp.<pid>.<n>`, and its directory where that is missing. Throws `io`. */
  static async create(stem: string): Promise<AtomicFile> {
    const path = `${stem}.tmp.${process.pid}.${counter++}`;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const create = async (): Promise<AtomicFile> => new AtomicFile(path, await open(path, flags, fileMode));
    try {
      return await create();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw ioError('create', path, error);
    }
    try {
      await mkdir(dirname(path), { recursive: true });
      return await create();
    } catch (error) {
      throw ioError('create', path, error);
    }
  }

  /** Appends a borrowed chunk. Throws `io`. */
  async write(chunk: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < chunk.length;) {
        const { bytesWritten } = await this.#file.write(chunk, at, chunk.length - at);
        at += bytesWritten;
      }
    } catch (error) {
      throw ioError('write', this.path, error);
    }
  }

  /** Gives the file its name, replacing what is there. Throws `io`. */
  async commit(path: string): Promise<void> {
    try {
      await this.#file.chmod(fileMode);
      await this.#file.close();
      await rename(this.path, path);
      this.#state = 'committed';
    } catch (error) {
      throw ioError('write', path, error);
    }
  }

  /** Gives the file its name unless something has it already: then false. Throws `io`. */
  async commitNew(path: string): Promise<boolean> {
    try {
      await this.#file.chmod(fileMode);
      await link(this.path, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw ioError('write', path, error);
    }
  }

  /** Leaves it where it is, for who writes on another time. */
  async keep(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'closed';
    await this.#file.close().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'closed';
    await this.#file.close().catch(() => {});
    await rm(this.path, { force: true }).catch(() => {});
  }
}

/** Writes a whole small file atomically. Throws `io`. */
export async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await AtomicFile.create(path);
  await file.write(bytes);
  await file.commit(path);
}

/** Removes what killed processes left in `directory`. Never throws: it is a courtesy. */
export async function removeStale(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names) {
    const pid = /\.tmp\.([0-9]+)\.[0-9]+$/.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const path = join(directory, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }));
    if (Date.now() - mtimeMs > staleAge) await rm(path, { force: true }).catch(() => {});
  }
}

/** Whether there is a process with this id on this machine. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
