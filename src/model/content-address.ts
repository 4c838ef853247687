// Content addresses: the `ca` of a path, and the store path that follows from it.

import { NarrowError } from '../errors.ts';
import { compareBytes } from '../bytes/byte-string.ts';
import type { Hash } from './hash.ts';
import { encodeHash, formatHash, hashBytes, parseHash } from './hash.ts';
import type { StoreDir, StorePath } from './store-path.ts';
import { makeStorePath, printStorePath } from './store-path.ts';

/** How contents are hashed: the file's text with references, the flat file, its NAR, or git's tree hash. */
export type IngestionMethod = 'text' | 'flat' | 'nar' | 'git';

export interface ContentAddress {
  readonly method: IngestionMethod;
  readonly hash: Hash;
}

const prefixes: Readonly<Record<IngestionMethod, string>> = {
  text: 'text:',
  flat: 'fixed:',
  nar: 'fixed:r:',
  git: 'fixed:git:',
};

/** `text:sha256:…`, `fixed:sha256:…`, `fixed:r:sha256:…`, `fixed:git:sha1:…`. */
export function formatContentAddress(ca: ContentAddress): string {
  return prefixes[ca.method] + formatHash(ca.hash);
}

/** Reads a `ca` string in any hash encoding but SRI. Throws `format`. */
export function parseContentAddress(text: string): ContentAddress {
  const method = (['text', 'nar', 'git', 'flat'] as const).find((m) => text.startsWith(prefixes[m]));
  if (method === undefined) {
    throw badAddress(text, 'expected text:… or fixed:…');
  }
  const rest = text.slice(prefixes[method].length);
  if (!rest.includes(':')) throw badAddress(text, "expected an algorithm and ':' before the hash");
  const hash = parseHash(rest);
  if (method === 'text' && hash.algo !== 'sha256') {
    throw badAddress(text, `text hashes are sha256, got ${hash.algo}`);
  }
  return { method, hash };
}

function badAddress(text: string, why: string): NarrowError {
  return new NarrowError('format', `bad content address '${text.slice(0, 100)}': ${why}`);
}

/** References of a content-addressed path, itself apart because its path is what is being computed. */
export interface CaReferences {
  readonly others: readonly StorePath[];
  readonly self: boolean;
}

/**
 * The store path of content with this address. Throws `refused` for combinations Nix has no path for (references on
 * anything but text and NAR-with-sha256, a self reference in text, text or git by other algorithms than theirs).
 */
export function contentAddressedPath(
  storeDir: StoreDir,
  ca: ContentAddress,
  name: string,
  refs: CaReferences,
): StorePath {
  const others = [...refs.others].sort(compareBytes).map((r) => `:${printStorePath(storeDir, r)}`);
  if (ca.method === 'text') {
    if (ca.hash.algo !== 'sha256') throw new NarrowError('refused', `${name}: text is hashed by sha256 only`);
    if (refs.self) throw new NarrowError('refused', `${name}: a text path cannot refer to itself`);
    return makeStorePath(storeDir, `text${others.join('')}`, ca.hash.bytes, name);
  }
  if (ca.method === 'nar' && ca.hash.algo === 'sha256') {
    return makeStorePath(storeDir, `source${others.join('')}${refs.self ? ':self' : ''}`, ca.hash.bytes, name);
  }
  if (ca.method === 'git' && ca.hash.algo !== 'sha1' && ca.hash.algo !== 'sha256') {
    throw new NarrowError('refused', `${name}: git trees are hashed by sha1 or sha256, not by ${ca.hash.algo}`);
  }
  if (others.length > 0 || refs.self) {
    throw new NarrowError('refused', `${name}: a path fixed by ${formatContentAddress(ca)} cannot have references`);
  }
  return makeStorePath(storeDir, 'output:out', fixedOutputDigest(ca, ''), name);
}

/** SHA-256 of `fixed:out:<method><algo>:<base16>:<path>`; with an output path it is a derivation's hash modulo. */
export function fixedOutputDigest(ca: ContentAddress, path: string): Uint8Array {
  const method = { text: 'text:', flat: '', nar: 'r:', git: 'git:' }[ca.method];
  return hashBytes(`fixed:out:${method}${ca.hash.algo}:${encodeHash(ca.hash, 'base16')}:${path}`).bytes;
}
