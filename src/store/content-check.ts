// Whether contents are what a path's content address promises, found out while the NAR streams past.

import { createHash } from 'node:crypto';
import { NarrowError } from '../errors.ts';
import type { NarVisitor } from '../format/nar/tree.ts';
import type { ContentAddress } from '../model/content-address.ts';
import { formatContentAddress } from '../model/content-address.ts';
import { equalHash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import { SelfHasher } from '../model/hash-modulo.ts';
import { hashPart } from '../model/store-path.ts';
import { GitHash } from './git-hash.ts';

export interface ContentCheck {
  /** Wants the NAR's events. */
  readonly visitor?: NarVisitor | undefined;
  /** Wants the NAR's bytes. */
  readonly onChunk?: ((chunk: Uint8Array) => void) | undefined;
  /** After the NAR's end; throws `integrity`. */
  verify(): void;
}

/** The check that this path needs; undefined for one without a content address. The NAR hash is checked elsewhere. */
export function contentCheck(info: PathInfo): ContentCheck | undefined {
  const { ca } = info;
  if (!ca) return undefined;
  switch (ca.method) {
    case 'text':
    case 'flat':
      return flatCheck(info, ca);
    case 'git':
      return gitCheck(info, ca);
    case 'nar':
      return narCheck(info, ca);
  }
}

function narCheck(info: PathInfo, ca: ContentAddress): ContentCheck {
  if (info.references.includes(info.path)) {
    const modulo = new SelfHasher(hashPart(info.path), ca.hash.algo);
    return { onChunk: (chunk) => modulo.update(chunk), verify: () => expect(info, ca, modulo.digest().bytes) };
  }
  if (equalHash(ca.hash, info.narHash)) return { verify() {} };
  const hasher = createHash(ca.hash.algo);
  return { onChunk: (chunk) => void hasher.update(chunk), verify: () => expect(info, ca, hasher.digest()) };
}

function flatCheck(info: PathInfo, ca: ContentAddress): ContentCheck {
  const hasher = createHash(ca.hash.algo);
  const refuse = (): never => {
    throw new NarrowError(
      'integrity',
      `${info.path} should be a plain file, as ${formatContentAddress(ca)} says, and is not`,
    );
  };
  const visitor: NarVisitor = {
    directory: refuse,
    leave() {},
    // Nix adds executables as flat paths, too: the bit is not part of the address.
    regular() {},
    contents: (chunk) => void hasher.update(chunk),
    closeRegular() {},
    symlink: refuse,
  };
  return { visitor, verify: () => expect(info, ca, hasher.digest()) };
}

function gitCheck(info: PathInfo, ca: ContentAddress): ContentCheck {
  const visitor = new GitHash(ca.hash.algo);
  return { visitor, verify: () => expect(info, ca, visitor.digest()) };
}

function expect(info: PathInfo, ca: ContentAddress, digest: Uint8Array): void {
  const got = { method: ca.method, hash: { algo: ca.hash.algo, bytes: digest } };
  if (equalHash(got.hash, ca.hash)) return;
  throw new NarrowError(
    'integrity',
    `the contents of ${info.path} are not those of its content address: expected ${formatContentAddress(ca)}, got ${formatContentAddress(got)}`,
    { data: { path: info.path, expected: formatContentAddress(ca), got: formatContentAddress(got) } },
  );
}
