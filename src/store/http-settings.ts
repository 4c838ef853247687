// What the HTTP client is told: Nix's settings, the environment, and the parameters of the store's URL.

import { readFile } from 'node:fs/promises';
import type { NixSettings } from '../config/nix-conf.ts';
import { NarrowError, ioError } from '../errors.ts';
import { defaultHttpSettings } from '../transport/http-settings.ts';
import type { HttpSettings } from '../transport/http-settings.ts';
import type { Env } from '../transport/http-proxy.ts';
import { Netrc, parseNetrc } from '../transport/netrc.ts';
import type { RetryPolicy } from '../transport/retry.ts';
import { numberParam } from './cache/params.ts';

/** Reads the certificates and the netrc file they name, too. Throws `usage`, `format`, `io`. */
export async function httpSettings(
  settings: NixSettings,
  params: URLSearchParams = new URLSearchParams(),
  env: Env = process.env,
): Promise<HttpSettings> {
  const connect = number(settings, 'connect-timeout') ?? 0;
  const stall = number(settings, 'stalled-download-timeout');
  const connections = number(settings, 'http-connections');
  const defaults = defaultHttpSettings;
  return {
    ca: await certificates(settings, env),
    netrc: await netrc(settings, env),
    bearerToken: await bearerToken(params, env),
    proxyEnv: env,
    retry: retryPolicy(settings, params),
    // 0 means no limit to Nix
    connections: connections === undefined ? defaults.connections : connections || 128,
    connectTimeout: connect > 0 ? connect * 1000 : defaults.connectTimeout,
    stallTimeout: stall === undefined ? defaults.stallTimeout : stall * 1000,
    userAgent: `narrow${settings.get('user-agent-suffix') ? ` ${settings.get('user-agent-suffix')}` : ''}`,
  };
}

/** One line of a file, or the environment: what stands in a URL or an argument, everybody on the machine can read. */
async function bearerToken(params: URLSearchParams, env: Env): Promise<string | undefined> {
  const file = params.get('bearer-token-file');
  if (file === null) return env['NARROW_BEARER_TOKEN'] || undefined;
  let text: string;
  try {
    text = (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw ioError('read the token', file, error);
  }
  if (/^[!-~]{1,8192}$/.test(text)) return text;
  throw new NarrowError('format', `${file} holds no bearer token: expected one line without spaces`);
}

function retryPolicy(settings: NixSettings, params: URLSearchParams): RetryPolicy {
  const { retry } = defaultHttpSettings;
  const attempts = number(settings, 'filetransfer-retry-attempts') ?? number(settings, 'download-attempts');
  const delay = number(settings, 'filetransfer-retry-delay');
  return {
    attempts: Math.max(1, numberParam(params, 'retry-attempts') ?? attempts ?? retry.attempts),
    delay: numberParam(params, 'retry-delay') ?? delay ?? retry.delay,
    rateLimitedDelay: numberParam(params, 'retry-delay-rate-limited') ?? retry.rateLimitedDelay,
    maxDelay: numberParam(params, 'retry-max-delay') ?? retry.maxDelay,
  };
}

function number(settings: NixSettings, key: string): number | undefined {
  const text = settings.get(key);
  if (text === undefined || /^[0-9]{1,9}$/.test(text)) return text === undefined ? undefined : Number(text);
  throw new NarrowError('format', `the Nix setting ${key} should be a whole number, got '${text}'`);
}

/** A file that is named has to be there; otherwise the system's certificates are taken. */
async function certificates(settings: NixSettings, env: Env): Promise<string | undefined> {
  const path = settings.get('ssl-cert-file') || env['NIX_SSL_CERT_FILE'] || env['SSL_CERT_FILE'];
  if (!path) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw ioError('read the certificates', path, error);
  }
}

async function netrc(settings: NixSettings, env: Env): Promise<Netrc> {
  const named = settings.get('netrc-file');
  const path = named ?? `${env['NIX_CONF_DIR'] || '/etc/nix'}/netrc`;
  try {
    return parseNetrc(await readFile(path, 'utf8'), path);
  } catch (error) {
    if (error instanceof NarrowError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    // Nix's default file is not there on most machines, or is root's
    if (code === 'ENOENT' || (named === undefined && code === 'EACCES')) return new Netrc();
    throw ioError('read the netrc file', path, error);
  }
}
