// `name:NAME`: what a cache says was pushed last under a name. A mirror or an attacker who hands out an older pointer, which is
// signed as well, is told by memory: this machine keeps the highest number that it has seen at each cache.

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NarrowError, ioError } from '../errors.ts';
import { writeAtomically } from '../fs/atomic-file.ts';
import { hashBytes } from '../model/hash.ts';
import type { TrustedKeys } from '../model/signature.ts';
import type { CacheStore } from '../store/cache/cache-store.ts';
import type { FileOptions } from '../store/cache/files.ts';
import { newestGeneration, readGeneration } from './generations.ts';
import { checkRootName } from './layout.ts';
import { generationText } from './record.ts';
import type { Generation } from './record.ts';

export interface ResolveOptions extends FileOptions {
  /** Undefined: the user vouches for the cache. */
  readonly trustedKeys: TrustedKeys | undefined;
  /** Where what was seen is remembered. */
  readonly memory: string;
}

const prefix = 'name:';

export function isNameReference(text: string): boolean {
  return text.startsWith(prefix);
}

/**
 * The newest generation for `name:NAME`, or the one asked for by `name:NAME@7`. Throws `missing`; `refused` when it carries no
 * signature by a trusted key, or is older than one that was seen before. Remembers nothing: see {@link rememberGeneration}.
 */
export async function resolveName(store: CacheStore, text: string, options: ResolveOptions): Promise<Generation> {
  const [, name = '', number] = /^name:(.*?)(?:@([0-9]{1,15}))?$/s.exec(text) ?? [];
  checkRootName(name);
  const found =
    number === undefined
      ? await newestGeneration(store, name, options)
      : await readGeneration(store, name, Number(number), options);
  if (!found) {
    throw new NarrowError(
      'missing',
      `${store.url} has no ${number === undefined ? 'generations' : `generation ${number}`} of ${name}`,
      {
        hint: 'narrow push --name makes one; narrow cache ls CACHE shows those there are, where files can be listed',
      },
    );
  }
  expectSigned(store, found, options.trustedKeys);
  if (number === undefined) expectNoOlder(store, found, options.memory);
  return found;
}

function expectSigned(store: CacheStore, found: Generation, keys: TrustedKeys | undefined): void {
  if (!keys) return;
  const text = generationText(store.storeDir, found);
  if (found.signatures.some((signature) => keys.verifies(text, signature))) return;
  const names = found.signatures.map((signature) => signature.slice(0, signature.indexOf(':')));
  const has = names.length === 0 ? 'it has none' : `it is signed by ${names.join(', ')}`;
  const what = `generation ${found.generation} of ${found.name} at ${store.url} lacks a valid signature by a trusted key: ${has}`;
  throw new NarrowError('refused', what, {
    hint: 'add the key to trusted-public-keys, or vouch for the cache with --no-check-sigs',
  });
}

interface Seen {
  readonly url: string;
  readonly name: string;
  readonly generation: number;
  readonly paths: readonly string[];
}

function expectNoOlder(store: CacheStore, found: Generation, memory: string): void {
  const seen = recall(memory, store.url, found.name);
  if (!seen || found.generation > seen.generation) return;
  const same = seen.generation === found.generation && seen.paths.join() === found.paths.join();
  if (same) return;
  const what =
    seen.generation === found.generation
      ? `generation ${found.generation} of ${found.name} at ${store.url} is not the one that was seen before`
      : `${store.url} has generation ${found.generation} of ${found.name}, but generation ${seen.generation} was seen before`;
  throw new NarrowError('refused', what, {
    hint: `the cache was set back, or somebody hands out old pointers; if you want that one, name it: ${prefix}${found.name}@${found.generation}`,
    data: { seen: seen.generation, got: found.generation },
  });
}

function memoryFile(memory: string, url: string, name: string): string {
  const digest = Buffer.from(hashBytes(`${url}\n${name}`).bytes)
    .toString('hex')
    .slice(0, 40);
  return join(memory, `${digest}.json`);
}

function recall(memory: string, url: string, name: string): Seen | undefined {
  const file = memoryFile(memory, url, name);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw ioError('read', file, error);
  }
  try {
    const seen = JSON.parse(text) as Seen;
    return Number.isInteger(seen.generation) && Array.isArray(seen.paths) ? seen : undefined;
  } catch {
    return undefined;
  }
}

/** Remembers that this generation was seen, unless a newer one was. */
export async function rememberGeneration(store: CacheStore, found: Generation, memory: string): Promise<void> {
  const seen = recall(memory, store.url, found.name);
  if (seen && seen.generation >= found.generation) return;
  mkdirSync(memory, { recursive: true, mode: 0o700 });
  const { name, generation, paths } = found;
  const text = JSON.stringify({ url: store.url, name, generation, paths } satisfies Seen);
  await writeAtomically(memoryFile(memory, store.url, name), Buffer.from(text));
}
