// A body that survives broken connections: the rest is asked for with Range, where the server has ranges and the file is
// still the same one.

import type { IncomingHttpHeaders } from 'node:http';
import { NarrowError } from '../errors.ts';
import type { ByteSource } from '../bytes/source.ts';
import { canDecode, decode } from '../format/compression.ts';
import type { HttpAnswer } from './http-answer.ts';
import { isTransientFailure, networkError } from './http-errors.ts';
import { meaningOf } from './http-status.ts';
import { pause, retryDelay } from './retry.ts';
import type { RetryPolicy } from './retry.ts';

/** A try that brought so many bytes counts as progress: the tries start anew. */
const progress = 256 * 1024;

export interface BodyRange {
  readonly offset?: number | undefined;
  readonly length?: number | undefined;
}

type Send = (headers: Record<string, string>) => Promise<HttpAnswer>;

/** Sends the first request and opens its body; undefined when the file is missing. */
export async function resumingBody(
  send: Send,
  url: string,
  range: BodyRange,
  retry: RetryPolicy,
  signal?: AbortSignal,
): Promise<{ readonly size: number | undefined; readonly bytes: ByteSource } | undefined> {
  const body = new ResumingBody(send, url, range, retry, signal);
  return (await body.start()) ? { size: body.size, bytes: body } : undefined;
}

class ResumingBody implements AsyncIterable<Uint8Array> {
  /** Bytes of the whole file. */
  size: number | undefined;
  readonly #send: Send;
  readonly #url: string;
  readonly #retry: RetryPolicy;
  readonly #signal: AbortSignal | undefined;
  readonly #end: number;
  readonly #start: number;
  /** Position in the file of the next byte that the reader gets. */
  #at: number;
  #answer: HttpAnswer | undefined;
  /** Bytes of the answer's body to drop: the server ignored the range. */
  #skip = 0;
  #etag: string | undefined;
  #resumable = false;

  constructor(send: Send, url: string, range: BodyRange, retry: RetryPolicy, signal: AbortSignal | undefined) {
    this.#send = send;
    this.#url = url;
    this.#retry = retry;
    this.#signal = signal;
    this.#start = range.offset ?? 0;
    this.#at = this.#start;
    this.#end = range.length === undefined ? Infinity : this.#at + range.length;
  }

  async start(): Promise<boolean> {
    const answer = await this.#send(this.#rangeHeader());
    if (meaningOf(answer.status) !== 'ok') {
      await answer.body.dump().catch(() => {});
      return false;
    }
    const { headers, status } = answer;
    const encoded = encodingOf(headers) !== undefined;
    const span = status === 206 ? spanOf(headers) : undefined;
    const length = encoded || headers['content-length'] === undefined ? undefined : Number(headers['content-length']);
    this.size = status === 206 ? span?.total : length;
    this.#etag = strongTag(headers);
    this.#resumable = !encoded && (status === 206 || headers['accept-ranges'] === 'bytes');
    if (status === 206 && span?.start !== this.#at)
      throw this.#changed(`bytes from ${this.#at} on`, `${headers['content-range']}`);
    this.#skip = status === 206 ? 0 : this.#at;
    this.#answer = answer;
    return true;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (let tries = 1; ; tries++) {
      const before = this.#at;
      try {
        yield* this.#read();
        return;
      } catch (error) {
        this.#signal?.throwIfAborted();
        if (this.#at - before >= progress) tries = 1;
        const resumable = this.#resumable || this.#at === this.#start;
        if (!resumable || !isTransientFailure(error) || tries >= this.#retry.attempts) throw this.#broken(error, tries);
        await pause(retryDelay(this.#retry, tries, {}), this.#signal);
        await this.#resume();
      }
    }
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    const { body, headers } = this.#answer!;
    const encoding = encodingOf(headers);
    const source = encoding === undefined ? body : decode(encoding, body, { source: this.#url, signal: this.#signal });
    for await (const bytes of source as AsyncIterable<Uint8Array>) {
      const skipped = Math.min(this.#skip, bytes.length);
      this.#skip -= skipped;
      const chunk = bytes.subarray(skipped, skipped + Math.min(bytes.length - skipped, this.#end - this.#at));
      this.#at += chunk.length;
      if (chunk.length > 0) yield chunk;
      if (this.#at >= this.#end) return;
    }
    const wanted = Math.min(this.size ?? this.#at, this.#end);
    if (this.#at < wanted) throw Object.assign(new Error('the connection ended early'), { code: 'UND_ERR_SOCKET' });
  }

  /** Asks for the rest, or for all of it while the reader has got nothing. Throws `unavailable` when the file is another. */
  async #resume(): Promise<void> {
    if (this.#at === this.#start) {
      if (!(await this.start())) throw this.#changed('the file', 'that it is missing');
      return;
    }
    const tag = this.#etag;
    const answer = await this.#send({ ...this.#rangeHeader(), ...(tag !== undefined && { 'if-range': tag }) });
    const { status, headers } = answer;
    const span = status === 206 ? spanOf(headers) : wholeOf(headers);
    const start = status === 206 ? this.#at : 0;
    const same = span?.start === start && (this.size === undefined || span.total === this.size);
    if (meaningOf(status) !== 'ok' || !same || strongTag(headers) !== tag) {
      await answer.body.dump().catch(() => {});
      throw this.#changed('the rest of the same file', `status ${status}`);
    }
    this.#skip = this.#at - start;
    this.#answer = answer;
  }

  #rangeHeader(): Record<string, string> {
    if (this.#at === 0 && this.#end === Infinity) return {};
    return { range: `bytes=${this.#at}-${this.#end === Infinity ? '' : this.#end - 1}` };
  }

  #changed(expected: string, got: string): NarrowError {
    return new NarrowError('unavailable', `${this.#url} changed while it was read: expected ${expected}, got ${got}`, {
      hint: 'run again to fetch it whole',
      data: { url: this.#url, offset: this.#at },
    });
  }

  #broken(cause: unknown, tries: number): NarrowError {
    if (cause instanceof NarrowError) return cause;
    const error = networkError('GET', this.#url, cause, tries);
    const of = this.size === undefined ? '' : ` of ${this.size}`;
    const why = this.#resumable ? '' : ', and the server cannot send the rest alone';
    return new NarrowError('unavailable', `${error.message}, after ${this.#at}${of} bytes${why}`, {
      cause,
      hint: error.hint,
      data: { ...error.data, offset: this.#at },
    });
  }
}

/** `Content-Encoding` by Nix's names of compressions; old Nix servers and proxies set it. */
function encodingOf(headers: IncomingHttpHeaders): string | undefined {
  const name = headers['content-encoding']?.trim().toLowerCase();
  if (name === undefined || name === '' || name === 'identity') return undefined;
  const known = name === 'x-gzip' ? 'gzip' : name;
  if (canDecode(known)) return known;
  throw new NarrowError(
    'unsupported',
    `the server sends Content-Encoding '${name.slice(0, 60)}', which is not known here`,
  );
}

/** `Content-Range: bytes 5-9/10`. */
function spanOf(
  headers: IncomingHttpHeaders,
): { readonly start: number; readonly total: number | undefined } | undefined {
  const match = /^bytes ([0-9]+)-[0-9]+\/([0-9]+|\*)$/.exec(String(headers['content-range'] ?? ''));
  return match ? { start: Number(match[1]), total: match[2] === '*' ? undefined : Number(match[2]) } : undefined;
}

/** An answer with all of the file, unless it is encoded: then its positions are others. */
function wholeOf(
  headers: IncomingHttpHeaders,
): { readonly start: number; readonly total: number | undefined } | undefined {
  if (encodingOf(headers) !== undefined) return undefined;
  const length = headers['content-length'];
  return { start: 0, total: length === undefined ? undefined : Number(length) };
}

/** Weak tags do not promise equal bytes. */
function strongTag({ etag }: IncomingHttpHeaders): string | undefined {
  return etag === undefined || etag.startsWith('W/') ? undefined : etag;
}
