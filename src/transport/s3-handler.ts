// What carries the requests to a bucket, those of the AWS SDK and ours: our own connections, with their proxies, certificates and time
// limits.

import { request } from 'undici';
import type { Dispatcher } from 'undici';
import { HttpPool } from './http-pool.ts';
import type { HttpSettings } from './http-settings.ts';
import { plainHeaders } from './s3-exchange.ts';
import { escapedUri } from './s3-signature.ts';

/** A request as the SDK has signed it. */
interface SignedRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | string[] | null>>;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

type Body = Dispatcher.ResponseData['body'];

interface Answer {
  readonly response: {
    readonly statusCode: number;
    readonly headers: Record<string, string>;
    readonly body: Body;
  };
}

/** A request that is signed. */
export interface Sendable {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Also the SDK's RequestHandler. */
export class S3Handler implements AsyncDisposable {
  readonly metadata: { readonly handlerProtocol: string } = { handlerProtocol: 'http/1.1' };
  readonly #pool: HttpPool;
  readonly #userAgent: string;

  constructor(settings: HttpSettings) {
    this.#pool = new HttpPool(settings);
    this.#userAgent = settings.userAgent;
  }

  dispatcherFor(url: URL): Dispatcher {
    return this.#pool.dispatcherFor(url);
  }

  /** Sends it once. Throws what undici throws. */
  async send(
    url: URL,
    { method, headers, body, signal }: Sendable,
  ): Promise<{ readonly status: number; readonly headers: Record<string, string>; readonly body: Body }> {
    const answered = await request(url, {
      dispatcher: this.#pool.dispatcherFor(url),
      method: method as Dispatcher.HttpMethod,
      headers: { ...headers, 'user-agent': this.#userAgent },
      body: body ?? null,
      signal: signal ?? null,
    });
    return { status: answered.statusCode, headers: plainHeaders(answered.headers), body: answered.body };
  }

  async handle(signed: SignedRequest, options: { readonly abortSignal?: unknown } = {}): Promise<Answer> {
    const { method, headers } = signed;
    const signal = options.abortSignal as AbortSignal | undefined;
    const { status, ...answer } = await this.send(urlOf(signed), {
      method,
      headers,
      body: bodyOf(signed.body),
      signal,
    });
    return { response: { statusCode: status, ...answer } };
  }

  /** The SDK asks for these two; there is nothing that it could set. */
  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): Record<string, never> {
    return {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }
}

function urlOf({ protocol, hostname, port, path, query = {} }: SignedRequest): URL {
  const fields = Object.entries(query).flatMap(([name, value]) =>
    [value].flat().map((one) => `${escapedUri(name)}${one === null || one === '' ? '=' : `=${escapedUri(one)}`}`),
  );
  const search = fields.length === 0 ? '' : `?${fields.join('&')}`;
  return new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}${search}`);
}

/** What we send is in memory whole, so that it can be sent again. */
function bodyOf(body: unknown): Uint8Array | string | undefined {
  return typeof body === 'string' || body instanceof Uint8Array ? body : undefined;
}
