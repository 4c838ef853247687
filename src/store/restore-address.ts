// Content addresses that were lost on the way (export streams have no place for them): every address that could have made
// the path is tried. Whatever fits proves the path, so derivations, sources and fixed outputs need no signature.

import { createHash } from 'node:crypto';
import type { ByteSource } from '../bytes/source.ts';
import { readNar } from '../format/nar/unpack.ts';
import type { NarVisitor } from '../format/nar/tree.ts';
import type { ContentAddress } from '../model/content-address.ts';
import { isContentAddressed } from '../model/path-info.ts';
import { hashPart } from '../model/store-path.ts';
import type { StoreDir } from '../model/store-path.ts';
import { SelfHasher } from '../model/hash-modulo.ts';
import type { ScannedObject } from './export-scan.ts';

export interface RestoreOptions {
  /** The NAR once more, for addresses that need other hashes. */
  readonly nar: () => ByteSource;
  /** Try the address of contents with references to themselves, too: another pass over most paths of a store. */
  readonly selfReferences: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** The address that makes exactly this path, if there is one. */
export async function restoreAddress(
  storeDir: StoreDir,
  object: ScannedObject,
  options: RestoreOptions,
): Promise<ContentAddress | undefined> {
  const { info } = object;
  const fits = (ca: ContentAddress): boolean => isContentAddressed(storeDir, { ...info, ca });
  const known = knownAddresses(object).find(fits);
  if (known) return known;
  if (info.references.length === 0) return (await otherAddresses(object, options)).find(fits);
  if (!options.selfReferences || !info.references.includes(info.path)) return undefined;
  return [await selfAddress(object, options)].find(fits);
}

/** From the hashes that the first pass made. */
function knownAddresses({ info, fileDigest }: ScannedObject): ContentAddress[] {
  const nar: ContentAddress = { method: 'nar', hash: info.narHash };
  if (!fileDigest) return [nar];
  const hash = { algo: 'sha256', bytes: fileDigest } as const;
  return [{ method: 'text', hash }, nar, { method: 'flat', hash }];
}

/** Fixed outputs by other hash functions. They have no references. */
async function otherAddresses(
  { info, fileDigest }: ScannedObject,
  { nar, signal }: RestoreOptions,
): Promise<ContentAddress[]> {
  const hashes = (['sha512', 'sha1', 'md5'] as const).map((algo) => ({
    algo,
    nar: createHash(algo),
    flat: createHash(algo),
  }));
  const visitor: NarVisitor = {
    directory() {},
    leave() {},
    regular() {},
    contents(chunk) {
      if (fileDigest) for (const { flat } of hashes) flat.update(chunk);
    },
    closeRegular() {},
    symlink() {},
  };
  const source = watched(nar(), signal, (chunk) => hashes.forEach((hash) => hash.nar.update(chunk)));
  await readNar(source, visitor, { name: info.path });
  return hashes.flatMap(({ algo, nar: whole, flat }): ContentAddress[] => [
    { method: 'nar', hash: { algo, bytes: whole.digest() } },
    ...(fileDigest ? [{ method: 'flat', hash: { algo, bytes: flat.digest() } } as const] : []),
  ]);
}

async function selfAddress({ info }: ScannedObject, { nar, signal }: RestoreOptions): Promise<ContentAddress> {
  const modulo = new SelfHasher(hashPart(info.path));
  for await (const _ of watched(nar(), signal, (chunk) => modulo.update(chunk)));
  return { method: 'nar', hash: modulo.digest() };
}

async function* watched(
  source: ByteSource,
  signal: AbortSignal | undefined,
  watch: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of source) {
    signal?.throwIfAborted();
    watch(chunk);
    yield chunk;
  }
}
