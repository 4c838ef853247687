// Everything an HTTP client can be told. Values, not files or environment variables read behind one's back.

import { Netrc } from './netrc.ts';
import type { Env } from './http-proxy.ts';
import { defaultRetryPolicy } from './retry.ts';
import type { RetryPolicy } from './retry.ts';

export interface HttpSettings {
  /** PEM certificates to trust; undefined: the system's. */
  readonly ca: string | undefined;
  readonly netrc: Netrc;
  /** Sent as `Authorization: Bearer` to the host of the cache, and to nobody else. */
  readonly bearerToken: string | undefined;
  /** Where http_proxy and its like are looked up. */
  readonly proxyEnv: Env;
  readonly retry: RetryPolicy;
  /** To one host at once. */
  readonly connections: number;
  /** Milliseconds until a connection has to be made. */
  readonly connectTimeout: number;
  /** Milliseconds without a byte after which a transfer has stalled. */
  readonly stallTimeout: number;
  readonly userAgent: string;
}

export const defaultHttpSettings: HttpSettings = {
  ca: undefined,
  netrc: new Netrc(),
  bearerToken: undefined,
  proxyEnv: {},
  retry: defaultRetryPolicy,
  connections: 25,
  connectTimeout: 15_000,
  stallTimeout: 300_000,
  userAgent: 'narrow',
};
