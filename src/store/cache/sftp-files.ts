// A cache in a directory of another machine, where there is nothing but SFTP.

import type { SftpClient } from '../../protocol/sftp/client.ts';
import { sftpOperations as ops } from '../../protocol/sftp/operations.ts';
import type { InspectOptions, StoreFacts } from '../facts.ts';
import type {
  CacheFiles,
  ExpectedFile,
  FileOptions,
  FileStat,
  ListedCacheFile,
  OpenFile,
  OpenFileOptions,
  PreparedFile,
  StagedFile,
} from './files.ts';
import { isElsewhere } from './reference-names.ts';
import { readHead, readOn } from './sftp-download.ts';
import { HeadsAhead } from './sftp-heads.ts';
import { listTree, namesIn } from './sftp-listing.ts';
import { SftpPlace, parentOf } from './sftp-place.ts';
import { SftpUpload } from './sftp-upload.ts';
import { Slots } from './slots.ts';
import { wholeFile } from './whole-file.ts';

/** Large files written at once. */
const turns = 4;

export interface SftpFilesOptions {
  /** As people write it: without a slash at the end. */
  readonly url: string;
  /** There; relative to the home where it does not begin with a slash. */
  readonly root: string;
  /** Have the server's disk keep each file before it gets its name. */
  readonly sync: boolean;
  /** Opens an `http(s)://` URL that a narinfo names; without credentials. */
  readonly elsewhere: (url: string, options: OpenFileOptions) => Promise<OpenFile | undefined>;
}

export class SftpFiles implements CacheFiles {
  readonly url: string;
  /** A path of a few bytes costs some round trips and no room on the line: hundreds of them fill it. */
  readonly concurrency = 768;
  readonly writers = 512;
  readonly near = true;
  /** Servers do one thing after the other, or have to make it look so (the draft's section 6.1). */
  readonly ordered = true;
  readonly #place: SftpPlace;
  readonly #options: SftpFilesOptions;
  readonly #heads: HeadsAhead;
  readonly #turns = new Slots(turns);
  readonly #uploads = new Set<SftpUpload>();

  constructor(client: SftpClient, options: SftpFilesOptions) {
    this.url = options.url;
    this.#options = options;
    this.#place = new SftpPlace(client, options.url, options.root);
    this.#heads = new HeadsAhead((reference) => readHead(this.#place, this.#place.pathOf(reference), 0, Infinity));
  }

  async read(reference: string, limit: number, { signal }: FileOptions = {}): Promise<Buffer | undefined> {
    const file = await this.open(reference, { signal });
    return file && wholeFile(file, limit, `${this.url}/${reference}`);
  }

  async open(reference: string, options: OpenFileOptions = {}): Promise<OpenFile | undefined> {
    if (isElsewhere(reference)) return this.#options.elsewhere(reference, options);
    const { offset = 0, length = Infinity, signal } = options;
    signal?.throwIfAborted();
    const path = this.#place.pathOf(reference);
    const expected = offset === 0 && length === Infinity ? this.#heads.take(reference) : undefined;
    const head = await (expected ?? readHead(this.#place, path, offset, length));
    if (!head) return undefined;
    const { size, bytes, whole } = head;
    const place = this.#place;
    const rest = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      if (bytes.length > 0) yield bytes;
      const end = Math.min(size ?? Infinity, offset + length);
      if (!whole) yield* readOn(place, path, offset + bytes.length, end, signal);
    };
    return { size, bytes: rest() };
  }

  expect(files: readonly ExpectedFile[]): void {
    this.#heads.expect(files.filter(({ reference }) => !isElsewhere(reference)));
  }

  async stat(reference: string): Promise<FileStat | undefined> {
    if (isElsewhere(reference)) return { size: undefined };
    const path = this.#place.pathOf(reference);
    const found = await this.#place.callOrAbsent('look at', path, ops.stat, { path });
    return found && { size: found.size, modified: found.modified === undefined ? undefined : found.modified * 1000 };
  }

  async write(reference: string, bytes: Uint8Array, type: string, options: FileOptions = {}): Promise<void> {
    const file = this.prepare(reference, bytes, type, options);
    await file.ready;
    await file.commit();
  }

  prepare(reference: string, bytes: Uint8Array, _type: string, options: FileOptions = {}): PreparedFile {
    const path = this.#place.pathOf(reference);
    const upload = this.#upload(path, options);
    const ready = upload.write(bytes).then(() => upload.finish());
    ready.catch(() => this.#discard(upload));
    return { ready, commit: () => this.#settle(upload, upload.name(path)) };
  }

  async create(reference: string, bytes: Uint8Array, _type: string, options: FileOptions = {}): Promise<boolean> {
    const path = this.#place.pathOf(reference);
    const upload = this.#upload(path, options);
    return this.#settle(
      upload,
      upload.write(bytes).then(() => upload.commitNew(path)),
    );
  }

  stage(options: FileOptions = {}): Promise<StagedFile> {
    const upload = this.#upload(this.#place.join('nar/stage'), options);
    return Promise.resolve({
      write: (chunk) => upload.write(chunk),
      commit: (reference, _type, { makeWay } = {}) =>
        this.#settle(upload, upload.commit(this.#place.pathOf(reference), makeWay)),
      [Symbol.asyncDispose]: () => this.#discard(upload),
    });
  }

  async *list(directory: string, { signal }: FileOptions = {}): AsyncGenerator<string, void, undefined> {
    for await (const { reference } of listTree(this.#place, directory, signal)) yield reference;
  }

  listAll({ signal }: FileOptions = {}): AsyncGenerator<ListedCacheFile, void, undefined> {
    return listTree(this.#place, '', signal);
  }

  /** Names directly in the root. */
  async names(): Promise<string[]> {
    return (await namesIn(this.#place, '')).map(({ name }) => name);
  }

  async remove(reference: string): Promise<void> {
    const path = this.#place.pathOf(reference);
    await this.#place.callOrAbsent('remove', path, ops.remove, { path });
  }

  async inspect({ quick }: InspectOptions = {}): Promise<Omit<StoreFacts, 'kind'>> {
    const version = 'SFTP 3';
    if (quick) return { version };
    const { root, url } = this.#place;
    const space = (await this.#place.space(root)) ?? (await this.#place.space(parentOf(root)));
    if (!space) return { version };
    const obstacle = { why: `the file system of ${url} is mounted read-only` };
    return {
      version,
      // whether this user may write is not told
      ...(space.readOnly && { writable: false, obstacle }),
      space: { where: url, free: space.block * space.available, exact: false },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { client } = this.#place;
    await Promise.all([...this.#uploads].map((upload) => this.#discard(upload)));
    await client[Symbol.asyncDispose]();
  }

  #upload(stem: string, { signal }: FileOptions): SftpUpload {
    const { sync } = this.#options;
    const upload = new SftpUpload(this.#place, stem, { signal, sync, turns: this.#turns });
    this.#uploads.add(upload);
    return upload;
  }

  async #settle<T>(upload: SftpUpload, outcome: Promise<T>): Promise<T> {
    try {
      return await outcome;
    } finally {
      await this.#discard(upload);
    }
  }

  async #discard(upload: SftpUpload): Promise<void> {
    await upload.discard();
    this.#uploads.delete(upload);
  }
}
