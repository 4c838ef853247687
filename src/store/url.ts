// Store URLs as Nix writes them: a scheme with an authority or a path, and parameters; plus the short forms `auto`,
// `daemon`, `local` and a plain directory, which means `local?root=DIR`.

import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NarrowError } from '../errors.ts';

export interface StoreUrl {
  readonly scheme:
    | 'auto'
    | 'daemon'
    | 'local'
    | 'file'
    | 'http'
    | 'https'
    | 'ssh'
    | 'ssh-ng'
    | 'bundle'
    | 'sftp'
    | 's3';
  /** `[user@]host[:port]` of `ssh` and `ssh-ng`, with the path behind it of `sftp`, bucket of `s3`, directory of `file`, file of `bundle`, whole URL without parameters of `http(s)`, root of `local` given as a plain path. */
  readonly place: string;
  readonly params: URLSearchParams;
}

/** What is known but spoken elsewhere: named, so that the message can say more than "unknown". */
const known = ['narrow', 'local-overlay', 'dummy'];

/** Reads a store URL. Throws `usage` for what is none, `unsupported` for schemes this version does not speak. */
export function parseStoreUrl(text: string): StoreUrl {
  const question = text.indexOf('?');
  const base = question < 0 ? text : text.slice(0, question);
  const params = new URLSearchParams(question < 0 ? '' : text.slice(question + 1));
  if (base === 'auto' || base === 'daemon' || base === 'local') return { scheme: base, place: '', params };
  if (base.startsWith('local://')) return localUrl(base.slice('local://'.length), params);
  if (base === 'unix' || base.startsWith('unix://')) return daemonUrl(base.slice('unix://'.length), params);
  if (base.startsWith('ssh://')) return { scheme: 'ssh', place: base.slice('ssh://'.length), params };
  if (base.startsWith('ssh-ng://')) return { scheme: 'ssh-ng', place: base.slice('ssh-ng://'.length), params };
  if (base.startsWith('sftp://')) return { scheme: 'sftp', place: base.slice('sftp://'.length), params };
  if (base.startsWith('s3://')) return { scheme: 's3', place: base.slice('s3://'.length), params };
  if (base.startsWith('file://')) return { scheme: 'file', place: filePlace(base), params };
  if (base.startsWith('bundle:')) return { scheme: 'bundle', place: bundlePlace(base), params };
  if (/^https?:\/\//.test(base))
    return { scheme: base.startsWith('https') ? 'https' : 'http', place: httpPlace(base), params };
  if (base.startsWith('/') || base.startsWith('./') || base.startsWith('../')) return localUrl(base, params);
  const scheme = /^([a-z0-9+-]+):/.exec(base)?.[1];
  if (scheme !== undefined && known.includes(scheme)) {
    throw new NarrowError('unsupported', `this version of narrow does not speak ${scheme}: stores yet`, {
      hint: 'it speaks local, daemon, ssh://HOST, ssh-ng://HOST, file://DIR, sftp://HOST/DIR, s3://BUCKET and http(s)://HOST',
    });
  }
  throw new NarrowError('usage', `'${text}' is no store URL`, {
    hint: meant(base) ?? 'for example: auto, local?root=DIR, ssh://HOST, file:///srv/cache, https://cache.example.org',
  });
}

/** What `base` may have been meant to be: a bare name is a machine or a directory, and `ssh:HOST` lacks its slashes. */
function meant(base: string): string | undefined {
  if (/^([\w.-]+@)?[\w.-]+$/.test(base)) return `a machine is ssh://${base}, a directory is ./${base}`;
  const [, scheme, place] = /^(ssh|ssh-ng|sftp|s3|file|https?):\/?([^/].*)$/.exec(base) ?? [];
  return scheme && `did you mean ${scheme}://${scheme === 'file' ? '/' : ''}${place}?`;
}

/** `unix:///run/other.socket`; without a path, the machine's own daemon. */
function daemonUrl(socket: string, params: URLSearchParams): StoreUrl {
  if (socket !== '') params.set('path', resolve(socket));
  return { scheme: 'daemon', place: '', params };
}

function localUrl(root: string, params: URLSearchParams): StoreUrl {
  if (root !== '' && !params.has('root')) params.set('root', resolve(root));
  return { scheme: 'local', place: '', params };
}

/** `file:///srv/cache`; a relative `file://cache`, which Nix takes too, is relative to here. */
function filePlace(base: string): string {
  const path = base.slice('file://'.length);
  if (path === '')
    throw new NarrowError('usage', `'${base}' names no directory`, { hint: 'for example: file:///srv/cache' });
  return decoded(base, () => (path.startsWith('/') ? fileURLToPath(new URL(base)) : resolve(decodeURIComponent(path))));
}

/** `bundle:FILE`, where FILE may be relative; `bundle:///FILE` is understood, too. */
function bundlePlace(base: string): string {
  const path = base.slice('bundle:'.length).replace(/^\/\/(?=\/)/, '');
  if (path !== '') return decoded(base, () => resolve(decodeURIComponent(path)));
  throw new NarrowError('usage', `'${base}' names no file`, { hint: 'for example: bundle:next.bundle' });
}

function decoded(base: string, decode: () => string): string {
  try {
    return decode();
  } catch (cause) {
    const hint = 'a percent sign that is meant is written %25, and a slash in a name there cannot be';
    throw new NarrowError('usage', `'${base}' has an escape that stands for nothing`, { cause, hint });
  }
}

function httpPlace(base: string): string {
  try {
    return new URL(base).href.replace(/\/+$/, '');
  } catch (cause) {
    throw new NarrowError('usage', `'${base}' is no URL`, { cause });
  }
}
