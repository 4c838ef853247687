// Ed25519 keys and signatures in Nix's text forms: `name:base64`. Secret keys are libsodium's 64 bytes, seed then public.

import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { NarrowError, formatError } from '../errors.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import type { PathInfo } from './path-info.ts';
import { fingerprint, sortedUnique } from './path-info.ts';
import type { StoreDir } from './store-path.ts';

/** DER wrappings of RFC 8410, which Node needs around the raw 32 bytes. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

export interface PublicKey {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly key: KeyObject;
}

export interface SecretKey {
  readonly name: string;
  /** 32 bytes of seed. */
  readonly seed: Uint8Array;
  readonly key: KeyObject;
  readonly publicKey: PublicKey;
}

/** Errors show the name at most: what looks like none may be a secret. `source` is the file, for errors. */
function splitNamed(
  text: string,
  what: string,
  size: number,
  source?: string,
): { name: string; bytes: Uint8Array; encoded: string } {
  const trimmed = text.trim();
  const colon = trimmed.indexOf(':');
  const fail = (expected: string, got: string): NarrowError =>
    formatError(`bad ${what}`, { source }, { expected, got });
  if (colon <= 0) {
    throw fail("'name:base64'", trimmed === '' ? 'nothing' : colon === 0 ? 'an empty name' : 'no colon');
  }
  const name = trimmed.slice(0, colon);
  const encoded = trimmed.slice(colon + 1);
  const bytes = decodeBase64(encoded);
  if (!bytes) throw fail(`base 64 after '${name}:'`, 'something that is not base 64');
  if (bytes.length !== size) throw fail(`${size} bytes after '${name}:'`, `${bytes.length}`);
  return { name, bytes, encoded };
}

/** OpenSSL is asked when the key is first used: most commands know whom they trust and never have to check it. */
function publicKeyOf(name: string, bytes: Uint8Array): PublicKey {
  let key: KeyObject | undefined;
  return {
    name,
    bytes,
    get key() {
      return (key ??= createPublicKey({ key: Buffer.concat([spkiPrefix, bytes]), format: 'der', type: 'spki' }));
    },
  };
}

function secretKeyOf(name: string, seed: Uint8Array): SecretKey {
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return { name, seed, key, publicKey: publicKeyOf(name, spki.subarray(spkiPrefix.length)) };
}

/** Reads `name:base64(32 bytes)`. Throws `format`. */
export function parsePublicKey(text: string): PublicKey {
  const { name, bytes } = splitNamed(text, 'public key', 32);
  return publicKeyOf(name, bytes);
}

/**
 * Reads `name:base64(64 bytes)`, one key and nothing behind it; the public half must belong to the seed. `source` names
 * the file in errors. Throws `format`, never showing the key.
 */
export function parseSecretKey(text: string, source?: string): SecretKey {
  const { name, bytes, encoded } = splitNamed(text, 'secret key', 64, source);
  // Nix ignores what follows: who put two keys into a file would never learn that only one of them signs
  if (!/^[^=]*=*$/.test(encoded))
    throw formatError('bad secret key', { source }, { expected: `one key, '${name}'`, got: 'more behind its end' });
  const secret = secretKeyOf(name, bytes.subarray(0, 32));
  if (Buffer.compare(bytes.subarray(32), secret.publicKey.bytes) !== 0) {
    const [expected, got] = [`'${name}' with the public half of its seed`, 'another public half'];
    throw formatError('bad secret key', { source }, { expected, got });
  }
  return secret;
}

/** A new key pair from the system's random source. `name` must be non-empty and without colon. */
export function generateKey(name: string): SecretKey {
  if (name === '' || /[:\s]/.test(name)) {
    throw new NarrowError(
      'usage',
      `bad key name '${name}': expected a name without colon or space, such as cache.example.org-1`,
    );
  }
  const der = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' });
  return secretKeyOf(name, Uint8Array.from(der.subarray(pkcs8Prefix.length)));
}

export function formatPublicKey(key: PublicKey): string {
  return `${key.name}:${encodeBase64(key.bytes)}`;
}

export function formatSecretKey(key: SecretKey): string {
  return `${key.name}:${encodeBase64(Buffer.concat([key.seed, key.publicKey.bytes]))}`;
}

/**
 * Reads `name:base64` and prints it as Nix does (with padding). The length is not looked at: only that of a trusted
 * key has to be right. Throws `format`.
 */
export function normaliseSignature(text: string): string {
  const colon = text.indexOf(':');
  const bytes = decodeBase64(text.slice(colon + 1));
  if (colon <= 0 || !bytes || bytes.length === 0) {
    throw new NarrowError('format', `bad signature '${text.slice(0, 120)}': expected 'name:base64'`, {
      data: { expected: "'name:base64'", got: `'${text.slice(0, 120)}'` },
    });
  }
  return `${text.slice(0, colon)}:${encodeBase64(bytes)}`;
}

/** Signs any text; the result is `name:base64(64 bytes)`. */
export function signText(key: SecretKey, text: string): string {
  return `${key.name}:${encodeBase64(sign(null, Buffer.from(text), key.key))}`;
}

/** The info with the keys' signatures added (an existing one of the same key and text is the same). */
export function signPathInfo(storeDir: StoreDir, info: PathInfo, keys: readonly SecretKey[]): PathInfo {
  if (keys.length === 0) return info;
  const text = fingerprint(storeDir, info);
  return { ...info, signatures: sortedUnique([...info.signatures, ...keys.map((k) => signText(k, text))]) };
}

/** Public keys by name; two keys of one name are both tried. */
export class TrustedKeys {
  readonly #byName = new Map<string, PublicKey[]>();

  constructor(keys: Iterable<PublicKey> = []) {
    for (const key of keys) this.#byName.set(key.name, [...(this.#byName.get(key.name) ?? []), key]);
  }

  get size(): number {
    return this.#byName.size;
  }

  names(): string[] {
    return [...this.#byName.keys()];
  }

  /** All of them. */
  keys(): PublicKey[] {
    return [...this.#byName.values()].flat();
  }

  /** True when `signature` is of a trusted key over `text`; malformed ones count as not matching, as in Nix 2.8. */
  verifies(text: string, signature: string): boolean {
    const colon = signature.indexOf(':');
    const keys = this.#byName.get(signature.slice(0, Math.max(colon, 0)));
    if (!keys) return false;
    const bytes = decodeBase64(signature.slice(colon + 1));
    return bytes?.length === 64 && keys.some((k) => verify(null, Buffer.from(text), k.key, bytes));
  }

  /** The signatures of `info` that verify. */
  validSignatures(storeDir: StoreDir, info: PathInfo): string[] {
    if (this.size === 0 || info.signatures.length === 0) return [];
    const text = fingerprint(storeDir, info);
    return info.signatures.filter((s) => this.verifies(text, s));
  }
}
