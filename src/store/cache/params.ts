// The parameters of a binary cache's URL, as Nix names them.

import { readFile } from 'node:fs/promises';
import { NarrowError, ioError } from '../../errors.ts';
import { checkEncoding } from '../../format/compression.ts';
import { parseSecretKey } from '../../model/signature.ts';
import type { SecretKey } from '../../model/signature.ts';

export interface CacheParams {
  /** Only when given: otherwise what is compressed stays as it is, and the rest becomes {@link defaultCompression}. */
  readonly compression: string | undefined;
  readonly level: number | undefined;
  /** Threads for each NAR. */
  readonly parallel: boolean;
  /** Sign every narinfo that is written. */
  readonly secretKeys: readonly SecretKey[];
  readonly writeListing: boolean;
  readonly indexDebugInfo: boolean;
  readonly priority: number | undefined;
  readonly wantMassQuery: boolean | undefined;
  /** The store directory, where the URL says it. */
  readonly storeDir: string | undefined;
  /** What is pushed goes as deltas alone, where it can be made from what was pushed before. */
  readonly deltasOnly: boolean;
}

/** What Nix writes by default. */
export const defaultCompression = 'xz';
/** In the URL, and in nix-cache-info: see {@link CacheParams.deltasOnly}. */
export const deltasLayout = 'deltas';

/** Reads the parameters, and the key files they name. Throws `usage`, `unsupported`, `format`, `io`. */
export async function cacheParams(params: URLSearchParams): Promise<CacheParams> {
  const compression = params.get('compression') ?? undefined;
  const level = numberParam(params, 'compression-level');
  checkEncoding(compression ?? defaultCompression, level === -1 ? undefined : level);
  const keyFiles = [params.get('secret-key') ?? '', ...(params.get('secret-keys') ?? '').split(',')];
  return {
    compression,
    level: level === -1 ? undefined : level,
    parallel: flagParam(params, 'parallel-compression') ?? false,
    secretKeys: await Promise.all(keyFiles.filter((file) => file !== '').map(readKey)),
    writeListing: flagParam(params, 'write-nar-listing') ?? false,
    indexDebugInfo: flagParam(params, 'index-debug-info') ?? false,
    priority: numberParam(params, 'priority'),
    wantMassQuery: flagParam(params, 'want-mass-query'),
    storeDir: params.get('store') ?? undefined,
    deltasOnly: layoutParam(params) === deltasLayout,
  };
}

function layoutParam(params: URLSearchParams): string | undefined {
  const layout = params.get('layout') ?? undefined;
  if (layout === undefined || layout === deltasLayout) return layout;
  throw new NarrowError('usage', `bad store parameter layout=${layout}: expected ${deltasLayout}, or none`);
}

async function readKey(path: string): Promise<SecretKey> {
  try {
    return parseSecretKey(await readFile(path, 'utf8'), path);
  } catch (error) {
    if (error instanceof NarrowError) throw error;
    throw ioError('read the secret key', path, error);
  }
}

/** `true`, `false`, `1`, `0`, or undefined where the parameter is not given. Throws `usage`. */
export function flagParam(params: URLSearchParams, name: string): boolean | undefined {
  const text = params.get(name);
  if (text === null) return undefined;
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw new NarrowError('usage', `bad store parameter ${name}=${text}: expected true, false, 1 or 0`);
}

/** A whole number, or undefined where the parameter is not given. Throws `usage`. */
export function numberParam(params: URLSearchParams, name: string): number | undefined {
  const text = params.get(name);
  if (text === null) return undefined;
  if (/^-?[0-9]{1,9}$/.test(text)) return Number(text);
  throw new NarrowError('usage', `bad store parameter ${name}=${text}: expected a whole number`);
}
