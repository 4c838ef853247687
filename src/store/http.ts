// `http://…`, `https://…`: a binary cache on a web server.

import { HttpClient } from '../transport/http-client.ts';
import type { CacheStore } from './cache/cache-store.ts';
import type { OpenFile, OpenFileOptions } from './cache/files.ts';
import { HttpFiles } from './cache/http-files.ts';
import { openCache } from './cache/opening.ts';
import { httpSettings } from './http-settings.ts';
import type { OpenContext, OpenMode } from './open-context.ts';

/** Opens the cache at `url`. Throws `missing`, `refused`, `unavailable`, `format`. */
export async function openHttpCache(
  url: string,
  params: URLSearchParams,
  context: OpenContext,
  mode: OpenMode = 'read',
): Promise<CacheStore> {
  await using stack = new AsyncDisposableStack();
  const client = stack.use(new HttpClient(await httpSettings(context.settings, params), url));
  const store = await openCache(new HttpFiles(client, url), params, mode, context);
  stack.move();
  return store;
}

/** Opens a NAR that a narinfo keeps on another host: without credentials. */
export async function openElsewhere(
  url: string,
  context: OpenContext,
  { offset, length, signal }: OpenFileOptions,
): Promise<OpenFile | undefined> {
  await using stack = new AsyncDisposableStack();
  const client = stack.use(new HttpClient(await httpSettings(context.settings)));
  const file = await client.open(url, { offset, length }, signal);
  if (!file) return undefined;
  stack.move();
  return { size: file.size, bytes: closing(file.bytes, client) };
}

async function* closing(source: OpenFile['bytes'], client: HttpClient): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } finally {
    await client[Symbol.asyncDispose]();
  }
}
