// A cache in a directory of this machine.

import { constants, readFileSync } from 'node:fs';
import { open, readFile, readdir, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { NarrowError, formatError, ioError } from '../../errors.ts';
import { AtomicFile, removeStale, writeAtomically } from '../../fs/atomic-file.ts';
import { freeSpace, writeObstacle } from '../../fs/space.ts';
import type { StoreFacts } from '../facts.ts';
import { listDirectory } from './directory-listing.ts';
import type {
  CacheFiles,
  FileOptions,
  FileStat,
  ListedCacheFile,
  OpenFile,
  OpenFileOptions,
  StagedFile,
} from './files.ts';
import { referenceOf } from './files.ts';
import { isElsewhere, namesOfReference } from './reference-names.ts';

/** Reads of whole NARs: few calls, and a buffer that is used again. */
const readSize = 512 * 1024;

export interface DirectoryFilesOptions {
  /** Opens an `http(s)://` URL that a narinfo names; without credentials. */
  readonly elsewhere?: ((url: string, options: OpenFileOptions) => Promise<OpenFile | undefined>) | undefined;
}

export class DirectoryFiles implements CacheFiles {
  readonly url: string;
  readonly concurrency = 16;
  readonly near = true;
  readonly #root: string;
  readonly #elsewhere: DirectoryFilesOptions['elsewhere'];
  #cleaned: Promise<void> | undefined;

  constructor(root: string, { elsewhere }: DirectoryFilesOptions = {}) {
    this.#root = root;
    this.url = pathToFileURL(root).href.replace(/\/+$/, '');
    this.#elsewhere = elsewhere;
  }

  async read(reference: string, limit: number): Promise<Buffer | undefined> {
    const path = this.#pathOf(reference);
    const bytes = await absentOr(readFile(path), 'read', path);
    if (!bytes || bytes.length <= limit) return bytes;
    const contrast = { expected: `at most ${limit} bytes`, got: `${bytes.length}` };
    throw formatError('the file is too large', { source: path }, contrast);
  }

  readNow(reference: string, limit: number): Buffer | undefined {
    try {
      const bytes = readFileSync(this.#pathOf(reference));
      return bytes.length <= limit ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  async open(reference: string, options: OpenFileOptions = {}): Promise<OpenFile | undefined> {
    if (isElsewhere(reference)) return this.#openElsewhere(reference, options);
    const path = this.#pathOf(reference);
    const found = await absentOr(stat(path), 'look at', path);
    if (!found) return undefined;
    const { offset = 0, length = Infinity, signal } = options;
    const end = Math.min(found.size, offset + length);
    const local = { path, name: path, offset, length: Math.max(0, end - offset) };
    return { size: found.size, bytes: readThrough(path, offset, end, signal), local };
  }

  async stat(reference: string): Promise<FileStat | undefined> {
    if (isElsewhere(reference)) return { size: undefined };
    const path = this.#pathOf(reference);
    const found = await absentOr(stat(path), 'look at', path);
    return found && { size: found.size, modified: found.mtimeMs };
  }

  async write(reference: string, bytes: Uint8Array): Promise<void> {
    await writeAtomically(this.#pathOf(reference), bytes);
  }

  async create(reference: string, bytes: Uint8Array): Promise<boolean> {
    const path = this.#pathOf(reference);
    await using file = await AtomicFile.create(path);
    await file.write(bytes);
    // the file is disposed of when this returns, not when a promise of it settles
    return await file.commitNew(path);
  }

  listAll({ signal }: FileOptions = {}): AsyncGenerator<ListedCacheFile, void, undefined> {
    return listDirectory(this.#root, signal);
  }

  async inspect(): Promise<Omit<StoreFacts, 'kind'>> {
    const places = [this.#root, join(this.#root, 'nar')];
    const codes = places.map((place) => ({ place, code: writeObstacle(place) }));
    const bad = codes.find(({ code }) => code !== undefined);
    return {
      writable: bad === undefined,
      obstacle: bad && { why: `this user may not write to ${bad.place} (${bad.code})` },
      space: { where: this.#root, ...freeSpace(this.#root) },
      clock: { ahead: 0, within: 0 },
    };
  }

  async stage(): Promise<StagedFile> {
    await (this.#cleaned ??= removeStale(join(this.#root, 'nar')));
    const file = await AtomicFile.create(join(this.#root, 'nar/stage'));
    return {
      write: (chunk) => file.write(chunk),
      commit: (reference) => file.commit(this.#pathOf(reference)),
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  }

  async *list(directory: string): AsyncGenerator<string, void, undefined> {
    const path = join(this.#root, directory);
    const entries = (await absentOr(readdir(path, { recursive: true, withFileTypes: true }), 'list', path)) ?? [];
    for (const entry of entries) {
      if (!entry.isFile()) continue;
      const name = join(entry.parentPath, entry.name).slice(this.#root.length + 1);
      yield referenceOf(name);
    }
  }

  async remove(reference: string): Promise<void> {
    const path = this.#pathOf(reference);
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw ioError('remove', path, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #openElsewhere(url: string, options: OpenFileOptions): Promise<OpenFile | undefined> {
    if (this.#elsewhere) return this.#elsewhere(url, options);
    throw new NarrowError('unsupported', `${this.url} keeps a NAR elsewhere, at ${url}`);
  }

  /** The path a reference means, which stays below the root whatever a narinfo says. Throws `format`. */
  #pathOf(reference: string): string {
    return join(this.#root, ...namesOfReference(reference, this.url));
  }
}

/** undefined for what is not there; other failures as `io`. */
async function absentOr<T>(result: Promise<T>, action: string, path: string): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw ioError(action, path, error);
  }
}

/** Opens the file only when its bytes are asked for: what is never read holds no descriptor. */
async function* readThrough(
  path: string,
  offset: number,
  end: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await openToRead(path);
  try {
    const buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(readSize, end - offset)));
    for (let at = offset; at < end;) {
      signal?.throwIfAborted();
      const bytesRead = await readSome(file, path, buffer, Math.min(buffer.length, end - at), at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function openToRead(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY);
  } catch (error) {
    throw ioError('open', path, error);
  }
}

async function readSome(file: FileHandle, path: string, buffer: Buffer, length: number, at: number): Promise<number> {
  try {
    return (await file.read(buffer, 0, length, at)).bytesRead;
  } catch (error) {
    throw ioError('read', path, error);
  }
}
