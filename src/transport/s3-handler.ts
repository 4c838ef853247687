// What carries the requests of the AWS SDK: our own connections, with their proxies, certificates and time limits.

import { request } from 'undici';
import type { Dispatcher } from 'undici';
import { HttpPool } from './http-pool.ts';
import type { HttpSettings } from './http-settings.ts';

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

interface Answer {
  readonly response: {
    readonly statusCode: number;
    readonly headers: Record<string, string>;
    readonly body: Dispatcher.ResponseData['body'];
  };
}

/** What the last answer said of the server. */
export interface SeenServer {
  readonly server: string | undefined;
  /** Its `Date`, as it stands there. */
  readonly date: string | undefined;
}

/** The SDK's RequestHandler. */
export class S3Handler implements AsyncDisposable {
  readonly metadata: { readonly handlerProtocol: string } = { handlerProtocol: 'http/1.1' };
  readonly #pool: HttpPool;
  readonly #userAgent: string;
  #seen: SeenServer | undefined;

  constructor(settings: HttpSettings) {
    this.#pool = new HttpPool(settings);
    this.#userAgent = settings.userAgent;
  }

  get seen(): SeenServer | undefined {
    return this.#seen;
  }

  async handle(signed: SignedRequest, options: { readonly abortSignal?: unknown } = {}): Promise<Answer> {
    const url = urlOf(signed);
    const answered = await request(url, {
      dispatcher: this.#pool.dispatcherFor(url),
      method: signed.method as Dispatcher.HttpMethod,
      headers: { ...signed.headers, 'user-agent': this.#userAgent },
      body: bodyOf(signed.body),
      // undici else closes the connection behind each HEAD, for the sake of servers that answer it with a body
      reset: false,
      signal: (options.abortSignal as AbortSignal | undefined) ?? null,
    });
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(answered.headers)) {
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
    }
    this.#seen = { server: headers['server'], date: headers['date'] };
    return { response: { statusCode: answered.statusCode, headers, body: answered.body } };
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
    [value].flat().map((one) => `${escaped(name)}${one === null || one === '' ? '=' : `=${escaped(one)}`}`),
  );
  const search = fields.length === 0 ? '' : `?${fields.join('&')}`;
  return new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}${search}`);
}

/** As signatures have it: RFC 3986, which escapes more than `encodeURIComponent`. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** What we send is in memory whole, so that it can be sent again. */
function bodyOf(body: unknown): Uint8Array | string | null {
  return typeof body === 'string' || body instanceof Uint8Array ? body : null;
}
