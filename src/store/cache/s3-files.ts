// A cache in a bucket of an S3-compatible store: each file is an object under the name that its reference has.

import { formatError } from '../../errors.ts';
import { plainText } from '../../protocol/remote-error.ts';
import type { S3Bucket, S3Object } from '../../transport/s3-bucket.ts';
import type { InspectOptions, StoreFacts } from '../facts.ts';
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
import { stageUpload } from './s3-upload.ts';
import type { UploadSettings } from './s3-upload.ts';

/** The one file that a 403 does not make a missing one. */
const cacheInfo = 'nix-cache-info';

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
  readonly #bucket: S3Bucket;
  readonly #options: S3FilesOptions;

  constructor(bucket: S3Bucket, options: S3FilesOptions) {
    this.#bucket = bucket;
    this.#options = options;
    this.url = bucket.url;
    this.concurrency = options.concurrency;
    this.writers = options.concurrency;
  }

  async read(reference: string, limit: number, { signal }: FileOptions = {}): Promise<Buffer | undefined> {
    const file = await this.open(reference, { signal });
    if (!file) return undefined;
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of file.bytes) {
      size += chunk.length;
      if (size > limit) {
        const contrast = { expected: `at most ${limit} bytes`, got: file.size === undefined ? 'more' : `${file.size}` };
        throw formatError('the file is too large', { source: `${this.url}/${reference}` }, contrast);
      }
      chunks.push(Buffer.from(chunk));
    }
    return Buffer.concat(chunks, size);
  }

  open(reference: string, options: OpenFileOptions = {}): Promise<OpenFile | undefined> {
    if (isElsewhere(reference)) return this.#options.elsewhere(reference, options);
    // a cache that forbids its own description is not one without description
    const forbidden = reference === cacheInfo ? 'refused' : 'absent';
    return this.#bucket.open(this.#key(reference), options, forbidden, options.signal);
  }

  async stat(reference: string, { signal }: FileOptions = {}): Promise<FileStat | undefined> {
    if (isElsewhere(reference)) return { size: undefined };
    return this.#bucket.head(this.#key(reference), signal);
  }

  write(reference: string, bytes: Uint8Array, type: string, { signal }: FileOptions = {}): Promise<void> {
    return this.#bucket.put(this.#key(reference), bytes, type, signal);
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
    await this.#bucket.put(key, bytes, type, signal);
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
    const { server, date } = this.#bucket.seen ?? {};
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

  #key(reference: string): string {
    return namesOfReference(reference, this.url).join('/');
  }
}

function listed({ key, size, modified, etag }: S3Object): ListedCacheFile {
  return { reference: referenceOf(key), size, modified, version: etag.replaceAll(/["\s]/g, '') };
}
