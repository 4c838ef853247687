// The HTTP client of caches: redirects, credentials, retries, and answers whose bodies go on where a connection broke.

import { request } from 'undici';
import { NarrowError } from '../errors.ts';
import type { ByteSource } from '../bytes/source.ts';
import type { HttpAnswer } from './http-answer.ts';
import { resumingBody } from './http-body.ts';
import { isTransientFailure, networkError } from './http-errors.ts';
import { HttpPool } from './http-pool.ts';
import type { HttpSettings } from './http-settings.ts';
import { failureText, isRateLimit, meaningOf, statusError } from './http-status.ts';
import { parseRetryAfter, pause, retryDelay } from './retry.ts';
import type { Transient } from './retry.ts';

const maxRedirects = 10;

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Made anew for each try; `length` in bytes. */
  readonly body?: { readonly length: number; open(): ByteSource } | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class HttpClient implements AsyncDisposable {
  readonly settings: HttpSettings;
  readonly #pool: HttpPool;
  /** The only origin that gets credentials; undefined: none does. */
  readonly #home: URL | undefined;

  constructor(settings: HttpSettings, home?: string) {
    this.settings = settings;
    this.#pool = new HttpPool(settings);
    this.#home = home === undefined ? undefined : new URL(home);
  }

  /**
   * Sends a request until there is an answer that counts. Statuses that mean *missing* are returned, others throw:
   * `refused` (no permission), `unavailable` (everything else).
   */
  async send(url: string, options: HttpRequest): Promise<HttpAnswer> {
    const { attempts } = this.settings.retry;
    for (let attempt = 1; ; attempt++) {
      const result = await this.#try(url, options, attempt);
      if (!('failure' in result)) return result;
      if (attempt >= attempts || !result.transient) throw result.failure;
      await pause(retryDelay(this.settings.retry, attempt, result.transient), options.signal);
    }
  }

  /** Opens a file from byte `offset` on; undefined when it is missing. Reading goes on after broken connections. */
  async open(
    url: string,
    range: { readonly offset?: number | undefined; readonly length?: number | undefined },
    signal?: AbortSignal,
  ): Promise<{ readonly size: number | undefined; readonly bytes: ByteSource } | undefined> {
    return resumingBody(
      (headers) => this.send(url, { method: 'GET', headers, signal }),
      url,
      range,
      this.settings.retry,
      signal,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }

  async #try(url: string, options: HttpRequest, attempt: number): Promise<HttpAnswer | Failure> {
    const { method, signal } = options;
    try {
      const answer = await this.#follow(url, options);
      const meaning = meaningOf(answer.status);
      // for an upload 403 and 404 are refusals, for everything else they say that there is no such file
      if (meaning === 'ok' || (meaning === 'missing' && method !== 'PUT')) return answer;
      await discard(answer.body);
      const transient = meaning === 'transient' ? transientOf(answer) : undefined;
      return { failure: statusError(method, answer.url, answer.status, attempt), transient };
    } catch (error) {
      signal?.throwIfAborted();
      const transient = isTransientFailure(error) ? {} : undefined;
      return { failure: networkError(method, url, error, attempt), transient };
    }
  }

  async #follow(start: string, options: HttpRequest): Promise<HttpAnswer> {
    let url = new URL(start);
    for (let hops = 0; hops <= maxRedirects; hops++) {
      const answer = await this.#sendOnce(url, options);
      const target = redirectOf(answer, options.method);
      if (target === undefined) return { ...answer, url: url.href };
      await discard(answer.body);
      url = redirected(url, target);
    }
    throw new NarrowError('unavailable', failureText(options.method, start, `more than ${maxRedirects} redirects`), {
      hint: 'the server sends its clients in circles',
    });
  }

  async #sendOnce(url: URL, { method, headers, body, signal }: HttpRequest): Promise<Omit<HttpAnswer, 'url'>> {
    const {
      statusCode,
      headers: answered,
      body: bytes,
    } = await request(url, {
      dispatcher: this.#pool.dispatcherFor(url),
      method,
      headers: {
        'user-agent': this.settings.userAgent,
        accept: '*/*',
        ...headers,
        ...this.#authorization(url),
        ...(body && { 'content-length': String(body.length) }),
      },
      ...(body && { body: asyncOf(body.open()) as unknown as Buffer }),
      // undici else closes the connection behind each HEAD, for the sake of servers that answer it with a body
      reset: false,
      signal: signal ?? null,
    });
    return { status: statusCode, headers: answered, body: bytes };
  }

  /** Credentials go to the cache's own host, however a redirect or a narinfo leads elsewhere. */
  #authorization(url: URL): Record<string, string> {
    const home = this.#home;
    if (!home || url.origin !== home.origin) return {};
    const { bearerToken, netrc } = this.settings;
    if (bearerToken !== undefined) return { authorization: `Bearer ${bearerToken}` };
    const known = home.username === '' ? netrc.find(url.hostname) : fromUrl(home);
    if (!known) return {};
    return { authorization: `Basic ${Buffer.from(`${known.login}:${known.password}`).toString('base64')}` };
  }
}

interface Failure {
  readonly failure: NarrowError;
  readonly transient: Transient | undefined;
}

function transientOf({ status, headers }: HttpAnswer): Transient {
  return { rateLimited: isRateLimit(status), retryAfter: parseRetryAfter(headers['retry-after']) };
}

function fromUrl(url: URL): { login: string; password: string } {
  return { login: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
}

/** Where a redirect leads; an upload may only be sent on by 307 and 308, which keep the method. */
function redirectOf({ status, headers }: Omit<HttpAnswer, 'url'>, method: string): string | undefined {
  const statuses = method === 'GET' || method === 'HEAD' ? [301, 302, 303, 307, 308] : [307, 308];
  return statuses.includes(status) && headers.location !== undefined ? headers.location : undefined;
}

function redirected(from: URL, location: string): URL {
  const url = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new NarrowError('unavailable', `${from.href} redirects to '${location.slice(0, 200)}', which is not http`);
}

/** Reads what is left of an answer nobody wants, so that the connection can be used again. */
async function discard(body: HttpAnswer['body']): Promise<void> {
  await body.dump({ limit: 64 * 1024 }).catch(() => {});
}

async function* asyncOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  // undici keeps a chunk until the socket took it, and ours are borrowed
  for await (const chunk of source) yield Buffer.from(chunk);
}
