// An S3 server in this process: one bucket in memory, signatures and clocks checked, conditional writes, objects in parts; and
// whatever fails is chosen by a test. Quick, so that a line is what is waited for. Also a program, for benchmarks. A server of others is
// s3-swift.ts.
import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { escaped, signatureFault } from './s3-signature.ts';
import type { SignatureRules } from './s3-signature.ts';

/** An error as S3 tells it; with `status` alone one without a body. */
export interface S3Refusal {
  readonly status: number;
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/**
 * - `reset`: the connection is reset once the request has come; `reset-upload`: before its body has
 * - `short`: half of the answer's body; `slow`: the answer takes a second
 */
export type S3Fault = S3Refusal | 'reset' | 'reset-upload' | 'short' | 'slow';

export interface SeenS3Request {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
}

export interface S3ServerOptions extends Partial<SignatureRules> {
  readonly bucket?: string | undefined;
  /** What everybody may do, without a signature. */
  readonly open?: 'read' | 'write' | undefined;
  /** Objects of one page of a listing. */
  readonly page?: number | undefined;
}

interface StoredObject {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly modified: number;
  readonly type: string;
  readonly encoding?: string | undefined;
}

export const slowDown: S3Refusal = { status: 503, code: 'SlowDown', message: 'Please reduce your request rate.' };

export class S3Server implements AsyncDisposable {
  readonly objects: Map<string, StoredObject> = new Map();
  /** Begun and neither completed nor abandoned. */
  readonly uploads: Map<string, Map<number, Buffer>> = new Map();
  readonly requests: SeenS3Request[] = [];
  /** Requests that are being answered, and the most there were. */
  readonly load: { now: number; most: number } = { now: 0, most: 0 };
  /** Decides about each request; `count` is how often the same was asked, from 1. */
  fault: (request: SeenS3Request, count: number) => S3Fault | undefined = () => undefined;
  readonly bucket: string;
  readonly rules: SignatureRules;
  readonly #open: 'read' | 'write' | undefined;
  readonly #page: number;
  readonly #counts = new Map<string, number>();
  readonly #server: Server = createServer((request, response) => {
    this.load.most = Math.max(this.load.most, ++this.load.now);
    this.#answer(request, response)
      .catch(() => request.socket.resetAndDestroy())
      .finally(() => this.load.now--);
  });

  constructor({ bucket = 'cache', open, page = 1000, ...rules }: S3ServerOptions = {}) {
    this.bucket = bucket;
    this.#open = open;
    this.#page = page;
    this.rules = { accessKey: 'AKLAB', secret: 'lab-secret', region: 'us-east-1', skew: 0, token: undefined, ...rules };
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', headers, url = '/' } = request;
    const { pathname, searchParams: query } = new URL(url, 'http://server');
    const [, bucket = '', name = ''] = /^\/([^/]*)\/?(.*)$/s.exec(pathname)!;
    const seen: SeenS3Request = { method, key: decodeURIComponent(name), query, headers };
    this.requests.push(seen);
    const id = `${method} ${url}`;
    const count = (this.#counts.get(id) ?? 0) + 1;
    this.#counts.set(id, count);
    const fault = this.fault(seen, count);
    if (fault === 'reset-upload') return void request.once('data', () => request.socket.resetAndDestroy());
    const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
    if (fault === 'reset') return void request.socket.resetAndDestroy();
    if (fault === 'slow') await sleep(1000);
    const refused =
      typeof fault === 'object' ? fault : (this.#unsigned(seen) ?? signatureFault(request, pathname, body, this.rules));
    if (refused && refused !== 'open') return this.#refuse(response, method, refused);
    if (bucket !== this.bucket) return this.#refuse(response, method, { status: 404, code: 'NoSuchBucket' });
    if (name === '') return this.#list(response, query);
    if (method === 'GET' || method === 'HEAD') return this.#get(response, seen, fault === 'short');
    if (method === 'DELETE') return this.#delete(response, seen);
    if (method === 'POST') return this.#post(response, seen, body);
    return this.#put(response, seen, body);
  }

  #unsigned({ method, headers }: SeenS3Request): S3Refusal | 'open' | undefined {
    if (headers.authorization !== undefined) return undefined;
    const may = this.#open === 'write' || (this.#open === 'read' && (method === 'GET' || method === 'HEAD'));
    return may ? 'open' : { status: 403, code: 'AccessDenied' };
  }

  #refuse(response: ServerResponse, method: string, { status, code, message = 'No.', headers = {} }: S3Refusal): void {
    const text =
      code === undefined || method === 'HEAD' ? '' : xml('Error', `<Code>${code}</Code><Message>${message}</Message>`);
    response.writeHead(status, { ...this.#head(), ...headers, 'content-type': 'application/xml' }).end(text);
  }

  /** Its clock is what {@link SignatureRules.skew} says. */
  #head(): Record<string, string> {
    return { date: new Date(Date.now() + this.rules.skew).toUTCString(), server: 'lab' };
  }

  #get(response: ServerResponse, { method, key, headers }: SeenS3Request, short: boolean): void {
    const found = this.objects.get(key);
    if (!found) return this.#refuse(response, method, { status: 404, code: 'NoSuchKey' });
    const { bytes, etag, modified, type, encoding } = found;
    const wanted = headers['if-match'];
    if (wanted !== undefined && wanted !== etag)
      return this.#refuse(response, method, { status: 412, code: 'PreconditionFailed' });
    const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '');
    const from = Number(range?.[1] ?? 0);
    const to = Math.min(range?.[2] ? Number(range[2]) + 1 : bytes.length, bytes.length);
    if (range && from >= bytes.length) return this.#refuse(response, method, { status: 416, code: 'InvalidRange' });
    response.writeHead(range ? 206 : 200, {
      ...this.#head(),
      'content-type': type,
      'content-length': to - from,
      'last-modified': new Date(modified).toUTCString(),
      etag,
      ...(encoding !== undefined && { 'content-encoding': encoding }),
      ...(range && { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` }),
    });
    if (method === 'HEAD') return void response.end();
    if (!short) return void response.end(bytes.subarray(from, to));
    response.write(bytes.subarray(from, from + Math.floor((to - from) / 2)), () => response.destroy());
  }

  #put(response: ServerResponse, { method, key, query, headers }: SeenS3Request, body: Buffer): void {
    const parts = this.uploads.get(query.get('uploadId') ?? '');
    if (query.has('uploadId') && !parts) return this.#refuse(response, method, { status: 404, code: 'NoSuchUpload' });
    if (headers['if-none-match'] === '*' && this.objects.has(key))
      return this.#refuse(response, method, { status: 412, code: 'PreconditionFailed' });
    if (parts) parts.set(Number(query.get('partNumber')), body);
    else this.#store(key, body, headers['content-type']);
    response.writeHead(200, { ...this.#head(), etag: etagOf(body) }).end();
  }

  #post(response: ServerResponse, { method, key, query, headers }: SeenS3Request, body: Buffer): void {
    if (query.has('uploads')) {
      const id = randomUUID();
      this.uploads.set(id, new Map());
      return void response
        .writeHead(200, this.#head())
        .end(xml('InitiateMultipartUploadResult', `<UploadId>${id}</UploadId>`));
    }
    const id = query.get('uploadId') ?? '';
    const parts = this.uploads.get(id);
    const named = [...body.toString().matchAll(/<ETag>(?:&quot;|")([0-9a-f]+)/g)].map((match) => match[1]!);
    const ordered = [...(parts ?? [])].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
    if (!parts || named.join() !== ordered.map((bytes) => etagOf(bytes).slice(1, -1)).join())
      return this.#refuse(response, method, { status: 400, code: 'InvalidPart' });
    this.uploads.delete(id);
    this.#store(key, Buffer.concat(ordered), headers['content-type']);
    response.writeHead(200, this.#head()).end(xml('CompleteMultipartUploadResult', `<Key>${escapedXml(key)}</Key>`));
  }

  #delete(response: ServerResponse, { key, query }: SeenS3Request): void {
    if (query.has('uploadId')) this.uploads.delete(query.get('uploadId')!);
    else this.objects.delete(key);
    response.writeHead(204, this.#head()).end();
  }

  #list(response: ServerResponse, query: URLSearchParams): void {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? '';
    const flat = query.get('delimiter') === '/';
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const own = keys.filter((key) => !flat || !key.slice(prefix.length).includes('/'));
    const page = own.slice(0, this.#page);
    const more = own.length > page.length;
    const contents = page.map((key) => {
      const { bytes, etag, modified } = this.objects.get(key)!;
      const when = new Date(modified).toISOString();
      return `<Contents><Key>${escapedXml(key)}</Key><LastModified>${when}</LastModified><ETag>${escapedXml(etag)}</ETag><Size>${bytes.length}</Size></Contents>`;
    });
    const rest = `<IsTruncated>${more}</IsTruncated>${more ? `<NextContinuationToken>${escapedXml(page.at(-1)!)}</NextContinuationToken>` : ''}`;
    response.writeHead(200, this.#head()).end(xml('ListBucketResult', rest + contents.join('')));
  }

  #store(key: string, bytes: Buffer, type = 'binary/octet-stream'): void {
    // in whole seconds, as a listing and a header have to agree
    const modified = Math.floor((Date.now() + this.rules.skew) / 1000) * 1000;
    this.objects.set(key, { bytes, etag: etagOf(bytes), modified, type });
  }
}

/** Serves until disposed. */
export function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  return new S3Server(options).start();
}

/** The URL of its bucket, by way of `port`, and the environment with its keys. */
export function s3Access(server: S3Server, port: number = server.port): { url: string; env: Record<string, string> } {
  const { accessKey, secret, region, token } = server.rules;
  return {
    url: `s3://${server.bucket}?endpoint=127.0.0.1:${port}&scheme=http&region=${escaped(region)}`,
    env: {
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secret,
      ...(token !== undefined && { AWS_SESSION_TOKEN: token }),
    },
  };
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

function xml(name: string, inner: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${name}>${inner}</${name}>`;
}

function escapedXml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

// As a program: prints its port, then for each line read how many requests there were, and ends with its input.
if (import.meta.main) {
  const server = await startS3Server(JSON.parse(process.argv[2] ?? '{}') as S3ServerOptions);
  console.log(server.port);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'clear') server.objects.clear();
    console.log(server.requests.length);
  }
  process.exit(0);
}
