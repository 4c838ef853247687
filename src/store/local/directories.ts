// Where a local store lies: the store URL's parameters and Nix's environment variables, as Nix combines them.

import { resolve } from 'node:path';
import { NarrowError } from '../../errors.ts';
import type { StoreDir } from '../../model/store-path.ts';
import { defaultStoreDir } from '../../model/store-path.ts';

export interface LocalDirectories {
  /** The logical directory, which paths are printed with and hashed with. */
  readonly storeDir: StoreDir;
  /** Where the objects really are. */
  readonly realDir: string;
  readonly stateDir: string;
  readonly logDir: string;
  /** Normalised URL of the store. */
  readonly url: string;
}

type Env = Readonly<Record<string, string | undefined>>;

const known = ['root', 'store', 'state', 'log', 'real'] as const;
/** Parameters of every store, or with a meaning elsewhere. */
const others = new Set([
  'read-only',
  'trusted',
  'priority',
  'path-info-cache-size',
  'want-mass-query',
  'system-features',
  'require-sigs',
]);

/** Reads the parameters. Throws `usage` for one that is unknown, since a mistyped `root` would mean the machine's own store. */
export function localDirectories(params: URLSearchParams, env: Env = process.env): LocalDirectories {
  for (const name of params.keys()) {
    if ((known as readonly string[]).includes(name) || others.has(name)) continue;
    throw new NarrowError('usage', `a local store has no parameter '${name}'`, {
      hint: `it has ${known.join(', ')} and read-only`,
    });
  }
  const [root, store, state, log, real] = known.map((name) => absolute(params.get(name)));
  const storeDir = store ?? absolute(env['NIX_STORE_DIR'] || env['NIX_STORE']) ?? defaultStoreDir;
  const below = (path: string): string | undefined => root && (root === '/' ? path : root + path);
  return {
    storeDir,
    realDir: real ?? below('/nix/store') ?? storeDir,
    stateDir: state ?? below('/nix/var/nix') ?? absolute(env['NIX_STATE_DIR']) ?? '/nix/var/nix',
    logDir: log ?? below('/nix/var/log/nix') ?? absolute(env['NIX_LOG_DIR']) ?? '/nix/var/log/nix',
    url: localUrl({ root, store, state, log, real }, isReadOnly(params)),
  };
}

/** `read-only=true`, `read-only=1`. */
export function isReadOnly(params: URLSearchParams): boolean {
  const value = params.get('read-only') ?? 'false';
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw new NarrowError('usage', `read-only should be true or false, got '${value}'`);
}

function absolute(path: string | null | undefined): string | undefined {
  return path ? resolve(path) : undefined;
}

function localUrl(dirs: Readonly<Record<string, string | undefined>>, readOnly: boolean): string {
  const words = Object.entries(dirs).flatMap(([name, path]) =>
    path === undefined ? [] : `${name}=${encodeURIComponent(path).replaceAll('%2F', '/')}`,
  );
  if (readOnly) words.push('read-only=true');
  return words.length === 0 ? 'local' : `local?${words.join('&')}`;
}
