// Store paths: `<store dir>/<32 base-32 digits>-<name>`. Held as the base name, a branded string: a cheap map key that
// sorts as the full path does, and that means nothing without the store directory of the store it came from.

import { NarrowError } from '../errors.ts';
import { encodeBase32, isBase32 } from './base32.ts';
import { foldHash, hashBytes } from './hash.ts';

/** The base name of a store path: `y9v4w1kf41c10q7fdxlbz10s0adiximd-dep-1.0`. */
export type StorePath = string & { readonly __storePath: unique symbol };

/** An absolute directory without a trailing slash, normally `/nix/store`. */
export type StoreDir = string;

/** The directory stock Nix uses; a store's own is the property `storeDir` of the store. */
export const defaultStoreDir: StoreDir = '/nix/store';

export const hashPartLength = 32;
const maxNameLength = 211;

/** The 32 characters that identify the path. */
export function hashPart(path: StorePath): string {
  return path.slice(0, hashPartLength);
}

/** What follows the hash part: `dep-1.0`. */
export function pathName(path: StorePath): string {
  return path.slice(hashPartLength + 1);
}

export function isDerivationPath(path: StorePath): boolean {
  return path.endsWith('.drv');
}

/** The full path, as Nix prints it. */
export function printStorePath(storeDir: StoreDir, path: StorePath): string {
  return `${storeDir}/${path}`;
}

/** Why `name` cannot be the name of a store path, or undefined if it can. The rules of current Nix. */
export function storeNameFault(name: string): string | undefined {
  if (name.length === 0) return 'the name is empty';
  if (name.length > maxNameLength)
    return `the name has ${name.length} characters, at most ${maxNameLength} are allowed`;
  const bad = /[^0-9A-Za-z+\-._?=]/.exec(name);
  if (bad) return `the name has the character ${JSON.stringify(bad[0])} at position ${bad.index}`;
  if (/^\.\.?(-|$)/.test(name)) return `the name must not begin with '${name.split('-')[0]}'`;
  return undefined;
}

function baseNameFault(text: string): string | undefined {
  if (text.length < hashPartLength + 2)
    return `expected 32 base-32 digits, '-' and a name, got ${text.length} characters`;
  if (!isBase32(text.slice(0, hashPartLength))) return 'expected 32 base-32 digits first';
  if (text[hashPartLength] !== '-') return `expected '-' after 32 digits, got ${JSON.stringify(text[hashPartLength])}`;
  return storeNameFault(text.slice(hashPartLength + 1));
}

/** True when the text is 32 digits of Nix's base 32. */
export function isHashPart(text: string): boolean {
  return text.length === hashPartLength && isBase32(text);
}

/** Checks a base name (as in narinfo references). Throws `format`. */
export function parseBaseName(text: string): StorePath {
  const fault = baseNameFault(text);
  if (fault !== undefined) throw new NarrowError('format', `bad store path '${text.slice(0, 300)}': ${fault}`);
  return text as StorePath;
}

/** Like {@link parseBaseName}, without an exception for things that are simply something else. */
export function tryBaseName(text: string): StorePath | undefined {
  return baseNameFault(text) === undefined ? (text as StorePath) : undefined;
}

/** Reads a full path, which must lie directly in `storeDir`. Throws `format`. */
export function parseStorePath(storeDir: StoreDir, text: string): StorePath {
  if (!text.startsWith(`${storeDir}/`)) {
    throw new NarrowError('format', `bad store path '${text.slice(0, 300)}': expected a path in ${storeDir}`);
  }
  return parseBaseName(text.slice(storeDir.length + 1));
}

/**
 * The path a fingerprint makes: `TYPE:sha256:<base16>:<store dir>:<name>`, hashed and folded to 160 bits.
 * `type` is `text…`, `source…` or `output:…` with its references; `digest` the inner SHA-256.
 */
export function makeStorePath(storeDir: StoreDir, type: string, digest: Uint8Array, name: string): StorePath {
  const hex = Buffer.from(digest).toString('hex');
  const outer = hashBytes(`${type}:sha256:${hex}:${storeDir}:${name}`).bytes;
  return parseBaseName(`${encodeBase32(foldHash(outer, 20))}-${name}`);
}
