// A digest with its algorithm, and the text forms Nix reads and prints: `algo:base16|base32|base64`, SRI, or bare.

import { createHash } from 'node:crypto';
import { NarrowError } from '../errors.ts';
import { base32Length, decodeBase32, encodeBase32 } from './base32.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';

/** Digest sizes in bytes. */
export const hashSizes = { md5: 16, sha1: 20, sha256: 32, sha512: 64 } as const;
export type HashAlgo = keyof typeof hashSizes;
export type HashEncoding = 'base16' | 'base32' | 'base64';

export interface Hash {
  readonly algo: HashAlgo;
  readonly bytes: Uint8Array;
}

export function isHashAlgo(name: string): name is HashAlgo {
  return Object.hasOwn(hashSizes, name);
}

/** The digest alone, without the algorithm's name. */
export function encodeHash(hash: Hash, encoding: HashEncoding): string {
  if (encoding === 'base32') return encodeBase32(hash.bytes);
  if (encoding === 'base64') return encodeBase64(hash.bytes);
  return Buffer.from(hash.bytes.buffer, hash.bytes.byteOffset, hash.bytes.length).toString('hex');
}

/** `sha256:<base32>`, the form of narinfos, content addresses and fingerprints; or another encoding. */
export function formatHash(hash: Hash, encoding: HashEncoding = 'base32'): string {
  return `${hash.algo}:${encodeHash(hash, encoding)}`;
}

/** `sha256-<base64>`, as Subresource Integrity and newer Nix JSON write it. */
export function formatSri(hash: Hash): string {
  return `${hash.algo}-${encodeHash(hash, 'base64')}`;
}

/**
 * Reads any text form of a hash. The encoding is told by the length alone (no two collide within an algorithm).
 * `algo` is the algorithm known from context: needed for bare text, and must agree where the text names one.
 * Throws `format`.
 */
export function parseHash(text: string, algo?: HashAlgo): Hash {
  const colon = text.indexOf(':');
  const split = colon >= 0 ? colon : text.indexOf('-');
  const named = split >= 0 ? text.slice(0, split) : undefined;
  const rest = split >= 0 ? text.slice(split + 1) : text;
  const fail = (why: string): NarrowError => new NarrowError('format', `bad hash '${clip(text)}': ${why}`);
  if (named !== undefined && !isHashAlgo(named)) throw fail(`unknown algorithm '${clip(named)}'`);
  if (named !== undefined && algo !== undefined && named !== algo) throw fail(`expected ${algo}, got ${named}`);
  const known = named ?? algo;
  if (known === undefined) throw fail('it names no algorithm, expected for example sha256:…');
  const bytes = split >= 0 && colon < 0 ? decodeSized(rest, hashSizes[known]) : decodeDigest(rest, hashSizes[known]);
  if (!bytes) throw fail(`expected ${expectedLengths(known)}, got ${rest.length} characters of '${clip(rest)}'`);
  return { algo: known, bytes };
}

function expectedLengths(algo: HashAlgo): string {
  const size = hashSizes[algo];
  return `${size * 2} hexadecimal, ${base32Length(size)} base-32 or ${Math.ceil(size / 3) * 4} base-64 digits`;
}

function decodeDigest(text: string, size: number): Uint8Array | undefined {
  if (text.length === size * 2)
    return /^[0-9a-fA-F]*$/.test(text) ? Uint8Array.from(Buffer.from(text, 'hex')) : undefined;
  if (text.length === base32Length(size)) return decodeBase32(text, size);
  return text.length === Math.ceil(size / 3) * 4 ? decodeSized(text, size) : undefined;
}

function decodeSized(text: string, size: number): Uint8Array | undefined {
  const bytes = decodeBase64(text);
  return bytes?.length === size ? bytes : undefined;
}

function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

export function equalHash(a: Hash, b: Hash): boolean {
  return a.algo === b.algo && Buffer.compare(a.bytes, b.bytes) === 0;
}

/** Folds a digest to `size` bytes by XOR, as store paths do with SHA-256 to 20. */
export function foldHash(bytes: Uint8Array, size: number): Uint8Array {
  const folded = new Uint8Array(size);
  for (let i = 0; i < bytes.length; i++) folded[i % size]! ^= bytes[i]!;
  return folded;
}

/** The digest of bytes or (UTF-8) text held in memory. */
export function hashBytes(data: Uint8Array | string, algo: HashAlgo = 'sha256'): Hash {
  return { algo, bytes: createHash(algo).update(data).digest() };
}
