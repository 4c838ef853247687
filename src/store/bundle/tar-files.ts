// A binary cache in a tar archive, read where it lies: nothing is unpacked.

import { posix } from 'node:path';
import { collect } from '../../bytes/source.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { NarrowError, formatError } from '../../errors.ts';
import { tarFiles } from '../../format/tar.ts';
import type { TarBytes, TarFile } from '../../format/tar.ts';
import type { FileRange } from '../../fs/file-range.ts';
import type { CacheFiles, FileStat, ListedCacheFile, OpenFile, OpenFileOptions, StagedFile } from '../cache/files.ts';
import { isElsewhere, namesOfReference } from '../cache/reference-names.ts';

const cacheInfo = 'nix-cache-info';

/** An archive, which may be a file of this machine. */
export interface LocalTar extends TarBytes {
  readonly path?: string | undefined;
}

export class TarFiles implements CacheFiles {
  readonly url: string;
  readonly concurrency = 16;
  readonly near = true;
  readonly #bytes: LocalTar;
  readonly #files: ReadonlyMap<string, TarFile>;

  private constructor(bytes: LocalTar, files: ReadonlyMap<string, TarFile>) {
    this.url = bytes.name;
    this.#bytes = bytes;
    this.#files = files;
  }

  /** Reads the headers from `offset` on. The cache may be in a directory of the archive. Throws `format`. */
  static async open(bytes: LocalTar, offset = 0): Promise<TarFiles> {
    const files = new Map<string, TarFile>();
    for await (const file of tarFiles(bytes, offset)) files.set(posix.normalize(file.name), file);
    const info = [...files.keys()].find((name) => posix.basename(name) === cacheInfo);
    if (info === undefined)
      throw formatError(
        'the tar archive holds no binary cache',
        { source: bytes.name },
        { expected: `a file ${cacheInfo}`, got: `${files.size} other files` },
      );
    const directory = info.slice(0, -cacheInfo.length);
    const inside = [...files].filter(([name]) => name.startsWith(directory));
    return new TarFiles(bytes, new Map(inside.map(([name, file]) => [name.slice(directory.length), file])));
  }

  /** Names of all files, relative to the cache's root. */
  names(): string[] {
    return [...this.#files.keys()];
  }

  async read(reference: string, limit: number): Promise<Buffer | undefined> {
    const file = this.#find(reference);
    if (!file) return undefined;
    if (file.size <= limit) return collect(this.#range(file.offset, file.size));
    const place = { source: this.url, offset: file.offset };
    throw formatError('the file is too large', place, { expected: `at most ${limit} bytes`, got: `${file.size}` });
  }

  async open(
    reference: string,
    { offset = 0, length = Infinity }: OpenFileOptions = {},
  ): Promise<OpenFile | undefined> {
    if (isElsewhere(reference))
      throw new NarrowError('unsupported', `${this.url} keeps a NAR elsewhere, at ${reference}`);
    const file = this.#find(reference);
    if (!file) return undefined;
    const { path, name } = this.#bytes;
    const part = { offset: file.offset + offset, length: Math.max(0, Math.min(file.size - offset, length)) };
    const local: FileRange | undefined = path === undefined ? undefined : { path, name, ...part };
    return { size: file.size, bytes: this.#range(part.offset, part.length), local };
  }

  async stat(reference: string): Promise<FileStat | undefined> {
    return this.#find(reference);
  }

  async *list(directory: string): AsyncGenerator<string, void, undefined> {
    for (const name of this.#files.keys()) if (name.startsWith(`${directory}/`)) yield name;
  }

  async *listAll(): AsyncGenerator<ListedCacheFile, void, undefined> {
    for (const [reference, { size, offset }] of this.#files)
      yield { reference, size, modified: 0, version: `${offset}` };
  }

  async write(): Promise<void> {
    throw this.#onlyRead();
  }

  async stage(): Promise<StagedFile> {
    throw this.#onlyRead();
  }

  async create(): Promise<boolean> {
    throw this.#onlyRead();
  }

  async remove(): Promise<void> {
    throw this.#onlyRead();
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #find(reference: string): TarFile | undefined {
    return this.#files.get(namesOfReference(reference, this.url).join('/'));
  }

  /** Exactly `length` bytes: the archive may have been cut meanwhile. */
  async *#range(offset: number, length: number): AsyncGenerator<Uint8Array, void, undefined> {
    const source: ByteSource = this.#bytes.range(offset, length);
    let seen = 0;
    for await (const chunk of source) {
      seen += chunk.length;
      yield chunk;
    }
    if (seen < length) throw formatError('a file that has become shorter', { source: this.url, offset: offset + seen });
  }

  #onlyRead(): NarrowError {
    return new NarrowError('unsupported', `${this.url} can only be read`, {
      hint: 'write a new archive: narrow bundle create --format cache-tar',
    });
  }
}
