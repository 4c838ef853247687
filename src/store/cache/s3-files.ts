// A cache in a bucket of an S3-compatible store: each file is an object under the name that its reference has.

import { plainText } from '../../protocol/remote-error.ts';
import type { Forbidden, S3Bucket, S3Object } from '../../transport/s3-bucket.ts';
import type { InspectOptions, StoreFacts } from '../facts.ts';
import type {
  CacheFiles,
  ExpectedFile,
  FileOptions,
  FileStat,
  ListedCacheFile,
  OpenFile,
  OpenFileOptions,
  StagedFile,
} from './files.ts';
import { mediaTypes, referenceOf } from './files.ts';
import { isElsewhere, namesOfReference } from './reference-names.ts';
import { headSize } from './sftp-download.ts';
import type { Head } from './sftp-download.ts';
import { HeadsAhead } from './sftp-heads.ts';
import { stageUpload } from './s3-upload.ts';
import type { UploadSettings } from './s3-upload.ts';
import { wholeFile } from './whole-file.ts';

/** The one file that a 403 does not make a missing one. */
const cacheInfo = 'nix-cache-info';
/** Bytes of a file that was asked for ahead; its narinfo said that it has at most {@link headSize}. */
const mostAhead = 1024 * 1024;

export interface S3FilesOptions {
  /** Requests on their way at once, at most. */
  readonly concurrency: number;
  readonly upload: UploadSettings;
  /** Opens an `http(s)://` URL that a narinfo names; without credentials. */
  readonly elsewhere: (url: string, options: OpenFileOptions) => Promise<OpenFile | undefined>;
}

export class S3Files implements CacheFiles {
  readonly url: string;
  /** A path of a few bytes costs some round trips and no room on the line: hundreds of them fill it. */
  readonly concurrency: number;
  readonly writers: number;
  readonly near = false;
  /** A question has the headers of an upload, and waits for the line as long. */
  readonly askFrom = 4096;
  readonly #bucket: S3Bucket;
  readonly #options: S3FilesOptions;
  readonly #small = new HeadsAhead((reference) => this.#whole(reference));

  constructor(bucket: S3Bucket, options: S3FilesOptions) {
    this.#bucket = bucket;
    this.#options = options;
    this.url = bucket.url;
    this.concurrency = options.concurrency;
    this.writers = options.concurrency;
  }

  async read(reference: string, limit: number, { signal }: FileOptions = {}): Promise<Buffer | undefined> {
    if (!isElsewhere(reference)) {
      const found = await this.#bucket.read(this.#key(reference), limit, forbidden(reference), signal);
      if (found?.encoded !== true) return found?.bytes;
    }
    const file = await this.open(reference, { signal });
    return file && wholeFile(file, limit, `${this.url}/${reference}`);
  }

  async open(reference: string, options: OpenFileOptions = {}): Promise<OpenFile | undefined> {
    if (isElsewhere(reference)) return this.#options.elsewhere(reference, options);
    const expected = options.offset || options.length !== undefined ? undefined : this.#small.take(reference);
    if (expected) {
      const found = await expected;
      return found && { size: found.size, bytes: [found.bytes] };
    }
    return this.#bucket.open(this.#key(reference), options, forbidden(reference), options.signal);
  }

  /** Small ones are asked for ahead, as a whole: a round trip for each would be longer than they are. */
  expect(files: readonly ExpectedFile[]): void {
    const small = files.filter(
      ({ reference, size }) => size !== undefined && size <= headSize && !isElsewhere(reference),
    );
    this.#small.expect(small);
  }

  async stat(reference: string, { signal }: FileOptions = {}): Promise<FileStat | undefined> {
    if (isElsewhere(reference)) return { size: undefined };
    return this.#bucket.head(this.#key(reference), signal);
  }

  write(reference: string, bytes: Uint8Array, type: string, { signal }: FileOptions = {}): Promise<void> {
    // the narinfos above it wait until it is there
    const order = type === mediaTypes.narinfo ? 'first' : 'middle';
    return this.#bucket.put(this.#key(reference), bytes, type, { signal, order });
  }

  stage(): Promise<StagedFile> {
    const { commit, ...staged } = stageUpload(this.#bucket, this.#options.upload);
    return Promise.resolve({
      ...staged,
      commit: (reference, type, options) => commit(this.#key(reference), type, options),
    });
  }

  /** Servers without conditional writes are asked first: between the two another may write. */
  async create(reference: string, bytes: Uint8Array, type: string, { signal }: FileOptions = {}): Promise<boolean> {
    const key = this.#key(reference);
    const made = await this.#bucket.putNew(key, bytes, type, signal);
    if (made !== undefined) return made;
    if (await this.#bucket.head(key, signal)) return false;
    await this.#bucket.put(key, bytes, type, { signal });
    return true;
  }

  async *list(directory: string, { signal }: FileOptions = {}): AsyncGenerator<string, void, undefined> {
    const prefix = directory === '' ? '' : `${directory}/`;
    for await (const { key } of this.#bucket.list(prefix, false, signal)) yield referenceOf(key);
  }

  async *listAll({ signal }: FileOptions = {}): AsyncGenerator<ListedCacheFile, void, undefined> {
    for await (const object of this.#bucket.list('', false, signal)) yield listed(object);
  }

  /** Names directly in the bucket. */
  async names(): Promise<string[]> {
    const names: string[] = [];
    for await (const { key } of this.#bucket.list('', true)) names.push(key);
    return names;
  }

  async remove(reference: string, { signal }: FileOptions = {}): Promise<void> {
    await this.#bucket.remove(this.#key(reference), signal);
  }

  async inspect({ quick, signal }: InspectOptions = {}): Promise<Omit<StoreFacts, 'kind'>> {
    if (quick) return {};
    const asked = Date.now();
    await this.#bucket.head(cacheInfo, signal);
    const { server, date } = this.#bucket.seen;
    const seconds = (Date.parse(date ?? '') - (asked + Date.now()) / 2) / 1000;
    // whole seconds, and an answer may be as old as it was long on its way
    const within = 1 + (Date.now() - asked) / 1000;
    return {
      version: server === undefined ? 'S3' : `S3, ${plainText(server)}`,
      clock: Number.isNaN(seconds) ? undefined : { ahead: seconds, within },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bucket[Symbol.asyncDispose]();
  }

  async #whole(reference: string): Promise<Head | undefined> {
    const found = await this.#bucket.read(this.#key(reference), mostAhead, 'absent');
    if (found?.encoded !== true) return found && { size: found.bytes.length, bytes: found.bytes, whole: true };
    const file = await this.#bucket.open(this.#key(reference), {}, 'absent');
    if (!file) return undefined;
    return { size: file.size, bytes: await wholeFile(file, mostAhead, `${this.url}/${reference}`), whole: true };
  }

  #key(reference: string): string {
    return namesOfReference(reference, this.url).join('/');
  }
}

/** A cache that forbids its own description is not one without description. */
function forbidden(reference: string): Forbidden {
  return reference === cacheInfo ? 'refused' : 'absent';
}

function listed({ key, size, modified, etag }: S3Object): ListedCacheFile {
  return { reference: referenceOf(key), size, modified, version: etag.replaceAll(/["\s]/g, '') };
}
