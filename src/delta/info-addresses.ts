// Content addresses in path infos. The digest of an address is not sent where the receiver can compute it from what it
// rebuilt and the path proves it: of the method and the algorithm there are few.

import type { ContentAddress } from '../model/content-address.ts';
import type { HashAlgo } from '../model/hash.ts';
import { hashSizes } from '../model/hash.ts';
import { bad } from './base-closure.ts';
import type { ColumnReader, ColumnWriter } from './columns.ts';
import { column, headBits } from './info-columns.ts';

const methods = ['text', 'flat', 'nar', 'git'] as const;
const algos = ['sha256', 'sha1', 'md5', 'sha512'] as const satisfies readonly HashAlgo[];

/** How a path is addressed, with the digest only if it was sent. */
export interface SentAddress {
  readonly method: ContentAddress['method'];
  readonly algo: HashAlgo;
  readonly digest?: Uint8Array | undefined;
}

/** 0: none; else 1 + (method, algorithm, digest sent) in mixed radix. */
function codeOf(address: SentAddress | undefined): number {
  if (!address) return 0;
  const place = methods.indexOf(address.method) * algos.length + algos.indexOf(address.algo);
  return 1 + place * 2 + (address.digest ? 1 : 0);
}

/** The kind of address of the path before. */
export class AddressKinds {
  #last = 0;

  /** Returns the bit for the head. */
  write(address: SentAddress | undefined, out: ColumnWriter): number {
    const code = codeOf(address);
    if (address?.digest) out.bytes(column.digests, address.digest);
    if (code === this.#last) return 0;
    this.#last = code;
    out.varint(column.kinds, code);
    return headBits.address;
  }

  read(head: number, input: ColumnReader): SentAddress | undefined {
    if (head & headBits.address) this.#last = input.varint(column.kinds);
    if (this.#last === 0) return undefined;
    const place = Math.floor((this.#last - 1) / 2);
    const method = methods[Math.floor(place / algos.length)];
    const algo = algos[place % algos.length]!;
    if (method === undefined) throw bad('kind of address', 'a known one', `${this.#last}`);
    return {
      method,
      algo,
      digest: this.#last % 2 === 0 ? Uint8Array.from(input.bytes(column.digests, hashSizes[algo])) : undefined,
    };
  }
}
