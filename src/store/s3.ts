// `s3://BUCKET`: a binary cache in a bucket of Amazon S3 or of any store that speaks as it does, with the parameters of Nix.

import { NarrowError } from '../errors.ts';
import { S3Bucket } from '../transport/s3-bucket.ts';
import type { S3Settings } from '../transport/s3-sdk.ts';
import type { CacheStore } from './cache/cache-store.ts';
import { listedCache } from './cache/listed-cache.ts';
import { openCache } from './cache/opening.ts';
import { flagParam, numberParam } from './cache/params.ts';
import { S3Files } from './cache/s3-files.ts';
import { Slots } from './cache/slots.ts';
import { httpSettings } from './http-settings.ts';
import type { OpenContext, OpenMode } from './open-context.ts';
import type { ListedStore } from './store.ts';

/** Requests at once where nix.conf does not say: what S3's own programs do against a long line. */
const connections = 256;
const mebibyte = 1024 * 1024;
/** S3 takes no smaller parts, but for the last. */
const leastPart = 5 * mebibyte;
/** Parts in memory at once. */
const partsInMemory = 8;

/** Opens the cache in the bucket, which has to be there. Throws `usage`, `missing`, `refused`, `unavailable`, `format`. */
export async function openS3Cache(
  place: string,
  params: URLSearchParams,
  context: OpenContext,
  mode: OpenMode = 'read',
): Promise<CacheStore & ListedStore> {
  await using stack = new AsyncDisposableStack();
  const settings = await s3Settings(place, params, context);
  const bucket = stack.use(new S3Bucket(settings));
  if (!(await bucket.login()) && mode === 'write') throw noCredentials(bucket.url);
  const partSize = Math.max(leastPart, numberParam(params, 'multipart-chunk-size') ?? 8 * mebibyte);
  const inParts = flagParam(params, 'multipart-upload') ?? true;
  const threshold = inParts ? (numberParam(params, 'multipart-threshold') ?? 2 * partSize) : Infinity;
  const files = new S3Files(bucket, {
    concurrency: settings.http.connections,
    upload: { threshold, partSize, parts: new Slots(partsInMemory) },
    // loaded only for a cache whose narinfos lead to other hosts
    elsewhere: async (other, options) => (await import('./http.ts')).openElsewhere(other, context, options),
  });
  const store = listedCache(await openCache(files, params, mode, context), () => files.names());
  stack.move();
  return store;
}

async function s3Settings(place: string, params: URLSearchParams, context: OpenContext): Promise<S3Settings> {
  const bucket = place.replace(/\/+$/, '');
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{2,254}$/.test(bucket)) {
    throw new NarrowError('usage', `'s3://${place.slice(0, 200)}' names no bucket`, {
      hint: 'for example: s3://my-cache?region=eu-west-1, or s3://my-cache?endpoint=minio.example.org; a cache is all of a bucket',
    });
  }
  const { env } = process;
  const endpoint = endpointOf(params);
  const http = await httpSettings(context.settings, params);
  const named = context.settings.get('http-connections') !== undefined;
  return {
    bucket,
    region: params.get('region') || env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || 'us-east-1',
    endpoint,
    profile: params.get('profile') || undefined,
    pathStyle: pathStyle(params, bucket, endpoint),
    storageClass: params.get('storage-class') || undefined,
    http: { ...http, connections: named ? http.connections : connections },
  };
}

/** `HOST`, `HOST:PORT`, or a URL. */
function endpointOf(params: URLSearchParams): string | undefined {
  const text = params.get('endpoint');
  const scheme = params.get('scheme') || 'https';
  if (scheme !== 'http' && scheme !== 'https') {
    throw new NarrowError('usage', `bad store parameter scheme=${scheme}: expected http or https`);
  }
  if (!text) {
    if (scheme === 'https') return undefined;
    throw new NarrowError('usage', 'scheme=http without an endpoint', { hint: 'name it: ?endpoint=HOST:PORT' });
  }
  const url = /^https?:\/\//.test(text) ? text : `${scheme}://${text}`;
  if (URL.canParse(url)) return url.replace(/\/+$/, '');
  throw new NarrowError('usage', `bad store parameter endpoint=${text}: expected HOST, HOST:PORT or a URL`);
}

/** As Nix: own endpoints seldom have a host name for each bucket, and no certificate is for names with dots. */
function pathStyle(params: URLSearchParams, bucket: string, endpoint: string | undefined): boolean {
  const style = params.get('addressing-style') || 'auto';
  if (style === 'path' || style === 'virtual') return style === 'path';
  if (style === 'auto') return endpoint !== undefined || bucket.includes('.');
  throw new NarrowError('usage', `bad store parameter addressing-style=${style}: expected auto, path or virtual`);
}

function noCredentials(url: string): NarrowError {
  return new NarrowError('refused', `${url} cannot be written without credentials, and none were found`, {
    hint: 'give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile of ~/.aws/credentials with ?profile=',
  });
}
