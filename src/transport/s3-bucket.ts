// A bucket of an S3-compatible store. Credentials, listings and uploads in parts are the AWS SDK's; requests about one object,
// connections, pace, tries and resuming are ours: docs/decisions/s3.md.

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListObjectsV2Command,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { S3Client, StorageClass } from '@aws-sdk/client-s3';
import type { ByteSource } from '../bytes/source.ts';
import type { HttpAnswer } from './http-answer.ts';
import { resumingBody } from './http-body.ts';
import { parseRetryAfter, pause, retryDelay } from './retry.ts';
import { isAbsent, isCredentialsFailure, isSlowDown, isTransientS3, s3Error, s3Failure } from './s3-errors.ts';
import type { S3Answer } from './s3-exchange.ts';
import { S3Handler } from './s3-handler.ts';
import { S3Objects } from './s3-objects.ts';
import type { ObjectRequest, SeenServer } from './s3-objects.ts';
import { S3Pace } from './s3-pace.ts';
import type { Order } from './s3-pace.ts';
import { sdkClient } from './s3-sdk.ts';
import type { S3Settings } from './s3-sdk.ts';

export interface S3Object {
  readonly key: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
  readonly etag: string;
}

/** `absent`: 403 says that there is no such object, as it does to who may not list. */
export type Forbidden = 'absent' | 'refused';

export interface PutOptions {
  readonly signal?: AbortSignal | undefined;
  readonly order?: Order | undefined;
}

interface Call {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE' | 'list';
  readonly key: string;
  readonly signal: AbortSignal | undefined;
  readonly order?: Order | undefined;
}

interface SendOptions {
  readonly abortSignal?: AbortSignal;
}

export class S3Bucket implements AsyncDisposable {
  /** `s3://NAME`. */
  readonly url: string;
  readonly #settings: S3Settings;
  readonly #handler: S3Handler;
  readonly #pace: S3Pace;
  #client: S3Client;
  #objects: S3Objects;

  constructor(settings: S3Settings) {
    this.#settings = settings;
    this.url = `s3://${settings.bucket}`;
    this.#handler = new S3Handler(settings.http);
    this.#pace = new S3Pace(settings.http.connections);
    this.#client = sdkClient(settings, this.#handler);
    this.#objects = new S3Objects(settings, this.#handler, this.#client, 'signed');
  }

  /** What the last answer said of the server. */
  get seen(): SeenServer {
    return this.#objects.seen;
  }

  /** Looks for credentials. Without any, what everybody may read is read unsigned; false tells so. Throws `refused` for bad ones. */
  async login(): Promise<boolean> {
    try {
      await this.#client.config.credentials();
      return true;
    } catch (error) {
      if (!isCredentialsFailure(error) || this.#settings.profile !== undefined)
        throw s3Error('GET', this.url, error, 1);
      this.#client.destroy();
      this.#client = sdkClient(this.#settings, this.#handler, 'unsigned');
      this.#objects = new S3Objects(this.#settings, this.#handler, this.#client, 'unsigned');
      return false;
    }
  }

  /** Size and time of an object; undefined when there is none. */
  async head(key: string, signal?: AbortSignal): Promise<Omit<S3Object, 'key'> | undefined> {
    const found = await this.#orAbsent({ method: 'HEAD', key, signal }, 'absent');
    if (!found) return undefined;
    const { 'content-length': size, 'last-modified': modified, etag = '' } = found.headers;
    return { size: Number(size ?? 0), modified: Date.parse(modified ?? '') || 0, etag };
  }

  /** A whole small object; undefined when there is none. `encoded`: as a `Content-Encoding` has it, to be opened instead. */
  async read(
    key: string,
    limit: number,
    forbidden: Forbidden,
    signal?: AbortSignal,
  ): Promise<{ readonly bytes: Buffer; readonly encoded: boolean } | undefined> {
    const found = await this.#orAbsent({ method: 'GET', key, signal }, forbidden, limit);
    const encoding = found?.headers['content-encoding'] ?? '';
    return found && { bytes: found.body, encoded: encoding !== '' && encoding !== 'identity' };
  }

  /** Opens an object from byte `offset` on; undefined when there is none. Reading goes on after broken connections. */
  async open(
    key: string,
    range: { readonly offset?: number | undefined; readonly length?: number | undefined },
    forbidden: Forbidden,
    signal?: AbortSignal,
  ): Promise<{ readonly size: number | undefined; readonly bytes: ByteSource } | undefined> {
    const first = await this.#get(key, headersOf(range), forbidden, signal);
    if (!first) return undefined;
    let next: HttpAnswer | undefined = first;
    const send = async (headers: Record<string, string>): Promise<HttpAnswer> => {
      const answer = next ?? (await this.#get(key, headers, 'refused', signal));
      next = undefined;
      return answer ?? gone(first);
    };
    return resumingBody(send, `${this.url}/${key}`, range, this.#settings.http.retry, signal);
  }

  /** Writes an object, replacing what is there. `bytes` are kept until all is done. */
  async put(key: string, bytes: Uint8Array, type: string, options: PutOptions = {}): Promise<void> {
    await this.#put({ key, body: bytes, signal: options.signal }, type, {}, options.order);
  }

  /** Writes an object unless there is one: then false. Undefined where the server cannot do that. */
  async putNew(key: string, bytes: Uint8Array, type: string, signal?: AbortSignal): Promise<boolean | undefined> {
    try {
      await this.#put({ key, body: bytes, signal }, type, { 'if-none-match': '*' });
      return true;
    } catch (error) {
      const failure = s3Failure((error as Error).cause);
      if (failure?.status === 412) return false;
      if (failure?.name === 'NotImplemented' || failure?.status === 501) return undefined;
      throw error;
    }
  }

  async remove(key: string, signal?: AbortSignal): Promise<void> {
    await this.#orAbsent({ method: 'DELETE', key, signal }, 'refused');
  }

  /** The objects whose keys begin with `prefix`; with `flat` only those without a slash behind it. */
  async *list(prefix: string, flat: boolean, signal?: AbortSignal): AsyncGenerator<S3Object, void, undefined> {
    let token: string | undefined;
    do {
      const page = await this.#run({ method: 'list', key: prefix, signal }, (options) => {
        const next = { ...(token !== undefined && { ContinuationToken: token }), ...(flat && { Delimiter: '/' }) };
        return this.#client.send(
          new ListObjectsV2Command({ Bucket: this.#settings.bucket, Prefix: prefix, ...next }),
          options,
        );
      });
      for (const { Key = '', Size = 0, LastModified, ETag = '' } of page.Contents ?? []) {
        yield { key: Key, size: Size, modified: LastModified?.getTime() ?? 0, etag: ETag };
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  /** Begins an object of many parts, which becomes one when it is completed. */
  async begin(key: string, type: string, signal?: AbortSignal): Promise<string> {
    const { UploadId = '' } = await this.#run({ method: 'PUT', key, signal }, (options) =>
      this.#client.send(new CreateMultipartUploadCommand(this.#new(key, type)), options),
    );
    return UploadId;
  }

  /** Sends part `number` (from 1), and returns its tag. */
  async putPart(key: string, id: string, number: number, bytes: Uint8Array, signal?: AbortSignal): Promise<string> {
    const { ETag = '' } = await this.#run({ method: 'PUT', key, signal }, (options) =>
      this.#client.send(
        new UploadPartCommand({ ...this.#at(key), UploadId: id, PartNumber: number, Body: bytes }),
        options,
      ),
    );
    return ETag;
  }

  async complete(key: string, id: string, tags: readonly string[], signal?: AbortSignal): Promise<void> {
    const Parts = tags.map((ETag, i) => ({ ETag, PartNumber: i + 1 }));
    await this.#run({ method: 'PUT', key, signal }, (options) =>
      this.#client.send(
        new CompleteMultipartUploadCommand({ ...this.#at(key), UploadId: id, MultipartUpload: { Parts } }),
        options,
      ),
    );
  }

  /** Drops the parts of what will not be completed. */
  async abandon(key: string, id: string): Promise<void> {
    await this.#run({ method: 'DELETE', key, signal: undefined }, (options) =>
      this.#client.send(new AbortMultipartUploadCommand({ ...this.#at(key), UploadId: id }), options),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
    await this.#handler[Symbol.asyncDispose]();
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#settings.bucket, Key: key };
  }

  #new(key: string, type: string): { Bucket: string; Key: string; ContentType: string; StorageClass?: StorageClass } {
    const { storageClass } = this.#settings;
    const kept = storageClass === undefined ? {} : { StorageClass: storageClass as StorageClass };
    return { ...this.#at(key), ContentType: type, ...kept };
  }

  async #put(
    request: Omit<ObjectRequest, 'method'>,
    type: string,
    conditions: Readonly<Record<string, string>>,
    order?: Order,
  ): Promise<void> {
    const { storageClass } = this.#settings;
    const kept = storageClass === undefined ? {} : { 'x-amz-storage-class': storageClass };
    const whole: ObjectRequest = {
      ...request,
      method: 'PUT',
      headers: { 'content-type': type, ...kept, ...conditions },
    };
    await this.#run({ method: 'PUT', key: request.key, signal: request.signal, order }, () =>
      this.#objects.send(whole),
    );
  }

  async #get(
    key: string,
    { range, 'if-range': tag }: Readonly<Record<string, string>>,
    forbidden: Forbidden,
    signal: AbortSignal | undefined,
  ): Promise<HttpAnswer | undefined> {
    const headers = { ...(range !== undefined && { range }), ...(tag !== undefined && { 'if-match': tag }) };
    const request: ObjectRequest = { method: 'GET', key, headers, signal };
    const found = await this.#run({ method: 'GET', key, signal }, () =>
      absentOr(forbidden, this.#objects.stream(request)),
    );
    return found && { ...found, headers: { 'accept-ranges': 'bytes', ...found.headers }, url: `${this.url}/${key}` };
  }

  #orAbsent(request: ObjectRequest, forbidden: Forbidden, limit?: number): Promise<S3Answer | undefined> {
    const { method, key, signal } = request;
    return this.#run({ method, key, signal }, () => absentOr(forbidden, this.#objects.send(request, limit)));
  }

  /** Sends until there is an answer that counts. Throws a NarrowError with what the SDK threw as its cause. */
  async #run<T>({ method, key, signal, order }: Call, task: (options: SendOptions) => Promise<T>): Promise<T> {
    const { retry } = this.#settings.http;
    const options = signal === undefined ? {} : { abortSignal: signal };
    for (let attempt = 1; ; attempt++) {
      try {
        signal?.throwIfAborted();
        return await this.#pace.run(() => task(options), isSlowDown, order);
      } catch (error) {
        signal?.throwIfAborted();
        if (attempt >= retry.attempts || !isTransientS3(error)) {
          throw s3Error(method, key === '' ? this.url : `${this.url}/${key}`, error, attempt);
        }
        const retryAfter = parseRetryAfter(s3Failure(error)?.headers['retry-after']);
        await pause(retryDelay(retry, attempt, { rateLimited: isSlowDown(error), retryAfter }), signal);
      }
    }
  }
}

async function absentOr<T>(forbidden: Forbidden, answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isAbsent(error, forbidden)) return undefined;
    throw error;
  }
}

function headersOf({
  offset = 0,
  length,
}: {
  offset?: number | undefined;
  length?: number | undefined;
}): Record<string, string> {
  if (offset === 0 && length === undefined) return {};
  return { range: `bytes=${offset}-${length === undefined ? '' : offset + length - 1}` };
}

/** The object was removed while it was read: as an answer. */
function gone(first: HttpAnswer): HttpAnswer {
  return { ...first, status: 404, headers: {} };
}
