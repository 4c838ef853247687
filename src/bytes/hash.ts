// Hashing of streams as they pass. OpenSSL does the work (node:crypto): 2 GB/s for SHA-256 where the CPU helps.

import { createHash } from 'node:crypto';
import type { ByteSource } from './source.ts';

/** The hash functions that Nix knows, by the names that Nix and OpenSSL give them. */
export type DigestName = 'md5' | 'sha1' | 'sha256' | 'sha512';

/** What a stream was: its digest and its length in bytes. */
export interface Digest {
  readonly digest: Buffer;
  readonly size: number;
}

/** A source that hashes what passes through it. */
export interface HashingSource extends AsyncIterable<Uint8Array> {
  /** Bytes so far. */
  readonly size: number;
  /** The digest of what has passed; call it after the last chunk. It may be called again. */
  digest(): Buffer;
}

/** Passes `source` on unchanged, hashing it. One use only. */
export function hashing(source: ByteSource, algorithm: DigestName = 'sha256'): HashingSource {
  const hash = createHash(algorithm);
  let size = 0;
  let digest: Buffer | undefined;
  return {
    get size(): number {
      return size;
    },
    digest: () => (digest ??= hash.digest()),
    async *[Symbol.asyncIterator]() {
      for await (const chunk of source) {
        hash.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    },
  };
}

/** Reads `source` to its end; its digest and size. */
export async function hashOf(source: ByteSource, algorithm: DigestName = 'sha256'): Promise<Digest> {
  const hash = createHash(algorithm);
  let size = 0;
  for await (const chunk of source) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { digest: hash.digest(), size };
}

/** The digest of bytes in memory. */
export function hashOfBytes(bytes: Uint8Array, algorithm: DigestName = 'sha256'): Buffer {
  return createHash(algorithm).update(bytes).digest();
}
