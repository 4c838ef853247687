// Random access to NARs that can only be read from front to back: unpacked once into a spool, checked on the way.

import { Spool } from '../../fs/spool.ts';
import { ListingBuilder } from '../../format/nar/listing.ts';
import { listingTree } from '../../format/nar/listing-tree.ts';
import type { FileTree } from '../../format/nar/tree.ts';
import { takeNar } from '../intake.ts';
import type { Item } from '../store.ts';

/** The trees live until this is disposed. */
export class SpooledTrees implements AsyncDisposable {
  readonly #spools: Spool[] = [];

  /** The tree of an item's NAR. Throws what {@link takeNar} throws. */
  async spool(item: Item, signal?: AbortSignal): Promise<FileTree> {
    const spool = new Spool();
    this.#spools.push(spool);
    const builder = new ListingBuilder();
    await takeNar(item, { visitor: builder, onChunk: (chunk) => spool.write(chunk), signal });
    return listingTree(builder.root!, (offset, length) => spool.read(offset, length));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#spools.splice(0).map((spool) => spool[Symbol.asyncDispose]()));
  }
}
