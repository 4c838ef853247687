// What a store knows about a path. The fingerprint is what signatures sign.

import { compareBytes } from '../bytes/byte-string.ts';
import type { ContentAddress } from './content-address.ts';
import { contentAddressedPath } from './content-address.ts';
import type { Hash } from './hash.ts';
import { formatHash } from './hash.ts';
import type { StoreDir, StorePath } from './store-path.ts';
import { pathName, printStorePath } from './store-path.ts';

/** Where a binary cache keeps the (compressed) NAR: the fields of its narinfo that say so. */
export interface NarFile {
  /** Relative to the cache's root, or absolute. */
  readonly url: string;
  /** Name of the compression as the narinfo gives it: `none`, `xz`, `zstd` … */
  readonly compression: string;
  /** Hash and size of the file as stored; stock clients never check them. */
  readonly hash?: Hash | undefined;
  readonly size?: number | undefined;
}

export interface PathInfo {
  readonly path: StorePath;
  /** SHA-256 of the uncompressed NAR. */
  readonly narHash: Hash;
  /** Bytes of the uncompressed NAR. */
  readonly narSize: number;
  /** Sorted, unique; holds the path itself when it refers to itself. */
  readonly references: readonly StorePath[];
  readonly deriver?: StorePath | undefined;
  /** `name:base64`, sorted, unique. */
  readonly signatures: readonly string[];
  readonly ca?: ContentAddress | undefined;
  /** Seconds since 1970; stores that do not keep it leave it out. */
  readonly registrationTime?: number | undefined;
  /** Built here: trusted by this store without a signature. Never copied. */
  readonly ultimate?: boolean | undefined;
  /** Only from binary caches. */
  readonly file?: NarFile | undefined;
}

/** The text that a signature signs: `1;path;hash;size;ref,ref`, all paths full. */
export function fingerprint(storeDir: StoreDir, info: PathInfo): string {
  const path = printStorePath(storeDir, info.path);
  const refs = info.references.map((r) => printStorePath(storeDir, r)).join(',');
  return `1;${path};${formatHash(info.narHash)};${info.narSize};${refs}`;
}

/** True when `ca`, references and name make exactly this path, which then needs no signature. */
export function isContentAddressed(storeDir: StoreDir, info: PathInfo): boolean {
  if (!info.ca) return false;
  const others = info.references.filter((r) => r !== info.path);
  try {
    const self = others.length < info.references.length;
    return contentAddressedPath(storeDir, info.ca, pathName(info.path), { others, self }) === info.path;
  } catch {
    return false;
  }
}

/** Sorted and without repeats, the order Nix keeps references and signatures in. */
export function sortedUnique<T extends string>(items: Iterable<T>): T[] {
  return [...new Set(items)].sort(compareBytes);
}
