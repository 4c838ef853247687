// A request and its whole answer, both of a few kilobytes: no streams are made, and no listener of an abort for each of the hundreds
// that are on their way. Half of the processor time that undici's `request` takes.

import { formatError } from '../errors.ts';
import type { Dispatcher } from 'undici';

export interface S3Exchange {
  /** Scheme, host and port. */
  readonly origin: string;
  readonly path: string;
  readonly method: Dispatcher.HttpMethod;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  /** A good answer of more bytes than so many is a `format` error. */
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
}

/** Bytes of an answer that says no; the rest is not waited for. */
export const longestRefusal = 65_536;

export interface S3Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Throws what undici throws. */
export function exchange(dispatcher: Dispatcher, asked: S3Exchange): Promise<S3Answer> {
  const { origin, path, method, headers, body, limit, signal } = asked;
  const { promise, resolve, reject } = Promise.withResolvers<S3Answer>();
  const chunks: Buffer[] = [];
  let [status, size] = [0, 0];
  let answered: Record<string, string> = {};
  let abort: ((reason: Error) => void) | undefined;
  const settle = (): void =>
    resolve({ status, headers: answered, body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size) });
  const over = (): void => void (abort && signal && watchers.get(signal)?.delete(abort));
  dispatcher.dispatch(
    // undici else closes the connection behind each HEAD, for the sake of servers that answer it with a body
    { origin, path, method, headers, body: body ?? null, reset: false },
    {
      onRequestStart(controller) {
        over();
        abort = (reason) => controller.abort(reason);
        if (signal?.aborted === true) abort(signal.reason as Error);
        else if (signal) watch(signal).add(abort);
      },
      onResponseStart(_, code, fields) {
        status = code;
        answered = plainHeaders(fields);
      },
      onResponseData(controller, chunk) {
        size += chunk.length;
        chunks.push(chunk);
        if (size <= (status < 300 ? limit : longestRefusal)) return;
        // a no is a no, however long
        if (status >= 300) settle();
        const contrast = { expected: `at most ${limit} bytes`, got: answered['content-length'] ?? 'more' };
        controller.abort(formatError('the file is too large', { source: `${origin}${path}` }, contrast));
      },
      onResponseEnd() {
        over();
        settle();
      },
      onResponseError(_, error) {
        over();
        reject(error);
      },
    },
  );
  return promise;
}

/** One value a name. */
export function plainHeaders(fields: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

type Abort = (reason: Error) => void;

/** What each signal ends: a listener for each would be looked for among all others when it is added and removed. */
const watchers = new WeakMap<AbortSignal, Set<Abort>>();

function watch(signal: AbortSignal): Set<Abort> {
  let aborts = watchers.get(signal);
  if (!aborts) {
    watchers.set(signal, (aborts = new Set()));
    const all = aborts;
    signal.addEventListener('abort', () => all.forEach((abort) => abort(signal.reason as Error)), { once: true });
  }
  return aborts;
}
