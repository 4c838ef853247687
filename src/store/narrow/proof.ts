// Paths whose hashes were not sent, because something else proves them: the NAR hash and the content address are computed
// from what was rebuilt; then a signature by a trusted key, or the path itself, says whether they are right.

import { createHash } from 'node:crypto';
import type { ByteSource } from '../../bytes/source.ts';
import type { SentAddress, SentInfo } from '../../delta/path-infos.ts';
import { NarrowError } from '../../errors.ts';
import { Spool } from '../../fs/spool.ts';
import { NarParser } from '../../format/nar/parser.ts';
import { noVisitor } from '../../format/nar/tree.ts';
import type { ContentAddress } from '../../model/content-address.ts';
import type { Hash } from '../../model/hash.ts';
import { SelfHasher } from '../../model/hash-modulo.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { isContentAddressed } from '../../model/path-info.ts';
import type { TrustedKeys } from '../../model/signature.ts';
import { hashPart } from '../../model/store-path.ts';
import type { StoreDir } from '../../model/store-path.ts';

/** A path whose contents are put aside, proven. */
export interface Proven {
  readonly info: PathInfo;
  readonly spool: Spool;
}

/** The info when all of it was sent. */
export function completeInfo(sent: SentInfo): PathInfo | undefined {
  const { narHash, ca } = sent;
  if (!narHash || (ca && !ca.digest)) return undefined;
  return withHashes(sent, narHash, ca && { method: ca.method, hash: { algo: ca.algo, bytes: ca.digest! } });
}

function withHashes(sent: SentInfo, narHash: Hash, ca: ContentAddress | undefined): PathInfo {
  const { path, narSize, references, deriver, signatures } = sent;
  return { path, narHash, narSize, references, deriver, signatures, ca };
}

/** Throws `integrity` when neither a signature by a trusted key nor the path itself fits what was rebuilt. */
export async function proven(sent: SentInfo, nar: ByteSource, storeDir: StoreDir, keys: TrustedKeys): Promise<Proven> {
  await using stack = new AsyncDisposableStack();
  const spool = stack.use(new Spool());
  const narHash = createHash('sha256');
  const address = sent.ca && !sent.ca.digest ? new AddressHash(sent, sent.ca) : undefined;
  for await (const chunk of nar) {
    narHash.update(chunk);
    address?.update(chunk);
    await spool.write(chunk);
  }
  const known = sent.ca?.digest && { method: sent.ca.method, hash: { algo: sent.ca.algo, bytes: sent.ca.digest } };
  const ca = address ? address.digest() : known;
  const hash: Hash = sent.narHash ?? { algo: 'sha256', bytes: narHash.digest() };
  const info = withHashes(sent, hash, ca);
  if (isContentAddressed(storeDir, info) || keys.validSignatures(storeDir, info).length > 0 || sent.narHash) {
    stack.move();
    return { info, spool };
  }
  throw new NarrowError('integrity', `${sent.path} was rebuilt to something else than what was signed`, {
    data: { path: sent.path },
    hint: 'a base is damaged, or the source lies',
  });
}

/** Computes a content address from a NAR. */
class AddressHash {
  readonly #address: SentAddress;
  readonly #update: (chunk: Uint8Array) => void;
  readonly #digest: () => Hash;

  constructor({ path, references }: SentInfo, address: SentAddress) {
    const { method, algo } = address;
    this.#address = address;
    if (method === 'nar' && algo === 'sha256' && references.includes(path)) {
      const modulo = new SelfHasher(hashPart(path));
      this.#update = (chunk) => modulo.update(chunk);
      this.#digest = () => modulo.digest();
      return;
    }
    const hash = createHash(algo);
    this.#digest = () => ({ algo, bytes: hash.digest() });
    if (method === 'nar') {
      this.#update = (chunk) => void hash.update(chunk);
      return;
    }
    const parser = new NarParser({ ...noVisitor, contents: (chunk) => void hash.update(chunk) }, path);
    this.#update = (chunk) => void parser.push(chunk);
  }

  update(chunk: Uint8Array): void {
    this.#update(chunk);
  }

  digest(): ContentAddress {
    return { method: this.#address.method, hash: this.#digest() };
  }
}
