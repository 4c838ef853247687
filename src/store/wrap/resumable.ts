// A source whose large downloads survive a kill: the encoded file is kept in the state directory under its hash, and the
// next run reads what is there, hashing it again, and asks the source only for the rest.

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteSource } from '../../bytes/source.ts';
import { tryFlock } from '../../fs/libc.ts';
import { NarrowError, isNarrowError } from '../../errors.ts';
import { encodeHash, equalHash, formatHash } from '../../model/hash.ts';
import type { Hash } from '../../model/hash.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { OpenNar, OpenOptions, Store } from '../store.ts';
import { forward } from './forward.ts';

/** Smaller downloads start again: cheaper than keeping them. */
const minSize = 8 * 1024 * 1024;
/** Parts that nobody came back for in this many milliseconds are removed. */
const maxAge = 14 * 24 * 3600 * 1000;

/**
 * Wraps a source with ranges; others come back as they are, and so do caches in directories: their files are there the next
 * time, too. `directory` is created when first needed; where it cannot be, nothing is kept.
 */
export function resumable<S extends Store>(store: S, directory: string): S {
  if (!store.abilities.ranges || store.url.startsWith('file:')) return store;
  return forward(store, { open: (info, options) => openResumable(store, directory, info, options) });
}

async function openResumable(
  store: Store,
  directory: string,
  info: PathInfo,
  options: OpenOptions = {},
): Promise<OpenNar> {
  const { hash, size } = info.file ?? {};
  const encoding = info.file?.compression ?? 'none';
  const wanted = encoding === 'none' || options.encodings?.includes(encoding);
  if (!hash || size === undefined || size < minSize || options.offset || !wanted) return store.open(info, options);
  await expire(directory);
  const part = join(directory, encodeHash(hash, 'base32'));
  return { encoding, size, hash, bytes: download(store, info, options, part, hash, size) };
}

/** Yields the whole file: what is kept, then the rest from the source, which is kept as it passes. */
async function* download(
  store: Store,
  info: PathInfo,
  options: OpenOptions,
  part: string,
  hash: Hash,
  size: number,
): AsyncGenerator<Uint8Array> {
  await using file = await openPart(part);
  // Another narrow fetches the same file: two writers would cut off each other's part.
  if (!file || !tryFlock(file.fd, 'exclusive')) {
    yield* (await store.open(info, options)).bytes;
    return;
  }
  const hasher = createHash(hash.algo);
  let have = 0;
  // A consumer that leaves early found the bytes wrong (unless it was told to stop): keeping them would fail for ever.
  let keep = false;
  try {
    for await (const chunk of readPart(file, size)) {
      hasher.update(chunk);
      have += chunk.length;
      yield chunk;
    }
    let keeping = await kept(file.truncate(have));
    for await (const chunk of restOf(store, info, options, have, size)) {
      keeping &&= await kept(writeAt(file, chunk, have));
      hasher.update(chunk);
      have += chunk.length;
      yield chunk;
    }
    expectWhole(store, info, have, size, hash, { algo: hash.algo, bytes: hasher.digest() });
  } catch (error) {
    keep = isNarrowError(error, 'unavailable') || options.signal?.aborted === true;
    throw error;
  } finally {
    if (!keep && options.signal?.aborted !== true) await rm(part, { force: true });
  }
}

/** A disk without room for the part is no reason to stop: what is not kept is fetched again. */
async function kept(action: Promise<void>): Promise<boolean> {
  return action.then(
    () => true,
    () => false,
  );
}

async function writeAt(file: FileHandle, chunk: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < chunk.length;)
    done += (await file.write(chunk, done, chunk.length - done, at + done)).bytesWritten;
}

async function* restOf(
  store: Store,
  info: PathInfo,
  options: OpenOptions,
  have: number,
  size: number,
): AsyncGenerator<Uint8Array> {
  if (have >= size) return;
  const rest = await store.open(info, { ...options, offset: have });
  yield* rest.bytes;
}

function expectWhole(store: Store, info: PathInfo, have: number, size: number, expected: Hash, got: Hash): void {
  if (have < size)
    throw new NarrowError('unavailable', `${store.url} sent ${have} of the ${size} bytes of ${info.path}`);
  if (equalHash(expected, got)) return;
  throw new NarrowError('integrity', `the file of ${info.path} does not have the hash that its narinfo names`, {
    data: { path: info.path, expected: formatHash(expected), got: formatHash(got) },
    hint: 'the source is damaged, or its file changed during the download; run again to fetch it whole',
  });
}

/** Undefined where there is no place for it: a service without a home downloads all the same. */
async function openPart(part: string): Promise<FileHandle | undefined> {
  try {
    await mkdir(join(part, '..'), { recursive: true, mode: 0o700 });
    return await open(part, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch {
    return undefined;
  }
}

async function* readPart(file: FileHandle, limit: number): ByteSource & AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(256 * 1024);
  for (let at = 0; at < limit;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, limit - at), at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function expire(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names) {
    const file = join(directory, name);
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Infinity }));
    if (Date.now() - mtimeMs > maxAge) await rm(file, { force: true });
  }
}
