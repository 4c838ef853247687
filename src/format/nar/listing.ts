// NAR listings (`HASH.ls`): what a NAR holds and where, as JSON, so that one file can be fetched without the rest. Made by
// a visitor while the NAR streams past, and as a NarVisitor it sees only what the parser has checked.

import type { ByteString } from '../../bytes/byte-string.ts';
import type { NarVisitor } from './tree.ts';

/** A regular file. Size and offset (of its contents, in bytes from the start of the uncompressed NAR) may be unknown. */
export interface ListedFile {
  readonly type: 'regular';
  readonly executable: boolean;
  readonly size?: number | undefined;
  readonly narOffset?: number | undefined;
}

export interface ListedSymlink {
  readonly type: 'symlink';
  readonly target: ByteString;
}

export interface ListedDirectory {
  readonly type: 'directory';
  /** In the order of their bytes. */
  readonly entries: ReadonlyMap<ByteString, Listing>;
}

/** The root of a NAR, or a node within. */
export type Listing = ListedFile | ListedSymlink | ListedDirectory;

/** Lists a NAR as it is parsed; `root` is there when the parser is done. */
export class ListingBuilder implements NarVisitor {
  #root: Listing | undefined;
  readonly #open: Map<ByteString, Listing>[] = [];

  /** The listing, or undefined while nothing was seen. */
  get root(): Listing | undefined {
    return this.#root;
  }

  directory(name: ByteString): void {
    const entries = new Map<ByteString, Listing>();
    this.#put(name, { type: 'directory', entries });
    this.#open.push(entries);
  }

  leave(): void {
    this.#open.pop();
  }

  regular(name: ByteString, executable: boolean, size: number, narOffset: number): void {
    this.#put(name, { type: 'regular', executable, size, narOffset });
  }

  contents(): void {}

  closeRegular(): void {}

  symlink(name: ByteString, target: ByteString): void {
    this.#put(name, { type: 'symlink', target });
  }

  #put(name: ByteString, node: Listing): void {
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = node;
    else parent.set(name, node);
  }
}

/** The node at `path` below `root`; undefined when there is none. */
export function listedAt(root: Listing, path: readonly ByteString[]): Listing | undefined {
  let node: Listing | undefined = root;
  for (const name of path) node = node?.type === 'directory' ? node.entries.get(name) : undefined;
  return node;
}
