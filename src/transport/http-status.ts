// What an HTTP status means to a binary cache's client (the table of stock Nix), and the errors made of it.

import { STATUS_CODES } from 'node:http';
import { NarrowError } from '../errors.ts';

/** `missing` is an answer; `transient` is asked again; `denied` and `failed` are not. */
export type Meaning = 'ok' | 'missing' | 'denied' | 'transient' | 'failed';

/** The meaning of a status for a file of a cache. S3 says 403 for what is missing to those who may not list. */
export function meaningOf(status: number): Meaning {
  if ([200, 201, 204, 206, 304].includes(status)) return 'ok';
  if ([403, 404, 410].includes(status)) return 'missing';
  if (status === 401 || status === 407) return 'denied';
  if (status === 408 || status === 429) return 'transient';
  if (status >= 500 && ![501, 505, 511].includes(status)) return 'transient';
  return 'failed';
}

/** 503 and 429: the server asks to be left alone for longer. */
export function isRateLimit(status: number): boolean {
  return status === 429 || status === 503;
}

export function statusText(status: number): string {
  return `HTTP ${status}${STATUS_CODES[status] === undefined ? '' : ` ${STATUS_CODES[status]}`}`;
}

const verbs: Readonly<Record<string, string>> = { GET: 'get', HEAD: 'look for', PUT: 'upload', DELETE: 'delete' };

/** `cannot get http://…: why`. */
export function failureText(method: string, url: string, why: string): string {
  return `cannot ${verbs[method] ?? method} ${url}: ${why}`;
}

/** The error of a final answer that is neither success nor "not there". `tries` were made. */
export function statusError(method: string, url: string, status: number, tries: number): NarrowError {
  const after = tries > 1 ? ` (${tries} tries)` : '';
  const message = failureText(method, url, `${statusText(status)}${after}`);
  const data = { url, method, status, tries };
  const upload = method === 'PUT' || method === 'DELETE';
  if (status === 401 || status === 407 || status === 403) {
    const hint = 'give a login for this host in the netrc file (nix.conf: netrc-file), or NARROW_BEARER_TOKEN';
    return new NarrowError('refused', message, { hint, data });
  }
  if (upload && (status === 405 || status === 404 || status === 501)) {
    const hint = 'this server takes no uploads here: check the address, or that it allows PUT (WebDAV)';
    return new NarrowError('refused', message, { hint, data });
  }
  if (status === 507) return new NarrowError('unavailable', message, { hint: 'the server has no space left', data });
  const hint = meaningOf(status) === 'transient' ? 'the server is in trouble; try again later' : 'check the address';
  return new NarrowError('unavailable', message, { hint, data });
}
