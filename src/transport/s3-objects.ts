// Requests about one object of a bucket, signed and sent by ourselves: a push makes thousands of them, and the layers of the AWS SDK
// cost several times as much as all else. Where the bucket is and who asks is the SDK's to say.

import type { S3Client } from '@aws-sdk/client-s3';
import type { Dispatcher } from 'undici';
import { s3Refusal } from './s3-errors.ts';
import { exchange, longestRefusal } from './s3-exchange.ts';
import type { S3Answer } from './s3-exchange.ts';
import type { S3Handler } from './s3-handler.ts';
import { addressOf } from './s3-sdk.ts';
import type { S3Address, S3Settings } from './s3-sdk.ts';
import { S3Signer, escapedUri } from './s3-signature.ts';

export interface ObjectRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  readonly key: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Kept until it is answered. */
  readonly body?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What the last answer said of the server. */
export interface SeenServer {
  readonly server: string | undefined;
  /** Its `Date`, as it stands there. */
  readonly date: string | undefined;
}

/** An answer whose body is on its way. */
export interface StreamedAnswer extends Omit<S3Answer, 'body'> {
  readonly body: Dispatcher.ResponseData['body'];
}

interface Signed {
  readonly address: S3Address;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** {@link S3Objects.#ahead} as it was then. */
  readonly ahead: number;
}

/** Bytes of an answer that only tells that all is well. */
const longestAnswer = 65_536;
/** Milliseconds: as S3's own clients have it. It takes a quarter of an hour for right. */
const sameTime = 5 * 60_000;

export class S3Objects {
  readonly #settings: S3Settings;
  readonly #handler: S3Handler;
  readonly #client: S3Client;
  readonly #unsigned: boolean;
  readonly #signer: S3Signer;
  #address: Promise<S3Address> | undefined;
  #headers: Readonly<Record<string, string>> = {};
  /** Milliseconds by which the server's clock is ahead. */
  #ahead = 0;

  constructor(settings: S3Settings, handler: S3Handler, client: S3Client, how: 'signed' | 'unsigned') {
    this.#settings = settings;
    this.#handler = handler;
    this.#client = client;
    this.#unsigned = how === 'unsigned';
    this.#signer = new S3Signer(settings.region);
  }

  get seen(): SeenServer {
    return { server: this.#headers['server'], date: this.#headers['date'] };
  }

  /** Sends it once. Throws a refusal of s3-errors.ts, and what undici throws; `format` for more than `limit` bytes. */
  async send(request: ObjectRequest, limit: number = longestAnswer): Promise<S3Answer> {
    const { method, body, signal } = request;
    const { address, path, headers, ahead } = await this.#signed(request);
    const dispatcher = this.#handler.dispatcherFor(address.url);
    const all = { ...headers, 'user-agent': this.#settings.http.userAgent };
    const asked = { origin: address.url.origin, path, method, headers: all, body, signal };
    const answer = await exchange(dispatcher, { ...asked, limit });
    this.#headers = answer.headers;
    if (answer.status >= 300) throw this.#refused(answer, ahead);
    return answer;
  }

  /** The same for what may be long. */
  async stream(request: ObjectRequest): Promise<StreamedAnswer> {
    const { address, path, headers, ahead } = await this.#signed(request);
    const url = new URL(`${address.url.origin}${path}`);
    const { status, headers: answered, body } = await this.#handler.send(url, { ...request, headers });
    this.#headers = answered;
    if (status >= 300) throw this.#refused({ status, headers: answered, body: await beginning(body) }, ahead);
    return { status, headers: answered, body };
  }

  async #signed({ method, key, headers = {}, body }: ObjectRequest): Promise<Signed> {
    const address = await (this.#address ??= addressOf(this.#client, this.#settings.bucket));
    const path = `${address.prefix}${key.split('/').map(escapedUri).join('/')}`;
    if (this.#unsigned) return { address, path, headers, ahead: this.#ahead };
    const who = await this.#client.config.credentials();
    const request = { method, host: address.url.host, path, headers, body };
    const ahead = this.#ahead;
    return { address, path, headers: this.#signer.sign(request, who, Date.now() + ahead), ahead };
  }

  /** `signed`: how much the clock was thought to be ahead when it was. */
  #refused(answer: S3Answer, signed: number): Error {
    return s3Refusal(answer, this.#learnsTime(answer, signed));
  }

  /** A signature is only good by the server's clock, which every answer tells: also to those whose no comes after another's. */
  #learnsTime({ status, headers }: S3Answer, signed: number): boolean {
    const ahead = Date.parse(headers['date'] ?? '') - Date.now();
    if (status !== 403 || !(Math.abs(ahead - signed) > sameTime)) return false;
    this.#ahead = ahead;
    return true;
  }
}

async function beginning(body: Dispatcher.ResponseData['body']): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > longestRefusal) break;
  }
  return Buffer.concat(chunks, size);
}
