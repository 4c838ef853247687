// Opening a cache: what its nix-cache-info says, what the URL's parameters say, and what a new one gets.

import { NarrowError } from '../../errors.ts';
import { formatCacheInfo, parseCacheInfo } from '../../format/cache-info.ts';
import type { CacheInfo } from '../../format/cache-info.ts';
import { defaultStoreDir } from '../../model/store-path.ts';
import { CacheStore } from './cache-store.ts';
import type { CacheFiles } from './files.ts';
import { mediaTypes } from './files.ts';
import { cacheParams, deltasLayout } from './params.ts';
import type { CacheParams } from './params.ts';

const infoName = 'nix-cache-info';
const maxInfo = 65_536;
/** Of a cache we make: that of cache.nixos.org. */
const newPriority = 40;

export interface OpenCacheOptions {
  readonly warn: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Throws `missing` when there is no cache and it is only to be read, `refused` when it is for another store directory. */
export async function openCache(
  files: CacheFiles,
  search: URLSearchParams,
  mode: 'read' | 'write',
  { warn, signal }: OpenCacheOptions,
): Promise<CacheStore> {
  const params = await cacheParams(search);
  const text = await files.read(infoName, maxInfo, { signal });
  if (!text && mode === 'read') {
    throw new NarrowError('missing', `${files.url} is no binary cache: it has no ${infoName}`, {
      hint: 'check the address; a cache made by narrow or Nix has that file',
    });
  }
  const info: CacheInfo = text ? parseCacheInfo(text, { source: `${files.url}/${infoName}` }) : newInfo(params);
  if (params.storeDir !== undefined && info.storeDir !== undefined && info.storeDir !== params.storeDir) {
    throw new NarrowError(
      'refused',
      `${files.url} is for the store directory ${info.storeDir}, not ${params.storeDir}`,
    );
  }
  const deltasOnly = info.layout === deltasLayout;
  const create = async (): Promise<void> => {
    if (text && (deltasOnly || !params.deltasOnly)) return;
    // what others wrote there stays
    const layout = Buffer.from(formatCacheInfo({ layout: deltasLayout }));
    const bytes = text ? Buffer.concat([withLineEnd(text), layout]) : Buffer.from(formatCacheInfo(info));
    await files.write(infoName, bytes, mediaTypes.cacheInfo, { signal });
  };
  const storeDir = info.storeDir ?? params.storeDir ?? defaultStoreDir;
  const priority = params.priority ?? info.priority ?? 0;
  const fresh = text === undefined;
  const leasing = mode === 'write' && !fresh;
  return new CacheStore({ files, params, storeDir, priority, deltasOnly, warn, create, leasing, fresh });
}

function newInfo(params: CacheParams): CacheInfo {
  return {
    storeDir: params.storeDir ?? defaultStoreDir,
    wantMassQuery: params.wantMassQuery ?? true,
    priority: params.priority ?? newPriority,
    layout: params.deltasOnly ? deltasLayout : undefined,
  };
}

function withLineEnd(text: Buffer): Buffer {
  return text.at(-1) === 0x0a ? text : Buffer.concat([text, Buffer.from('\n')]);
}
