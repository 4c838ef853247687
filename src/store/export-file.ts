// An export stream, or a NAR, in a file that was read through once: a store, so that importing is a copy like any other.

import type { ByteSource } from '../bytes/source.ts';
import { NarrowError } from '../errors.ts';
import { listingTree } from '../format/nar/listing-tree.ts';
import { ListingBuilder } from '../format/nar/listing.ts';
import type { FileTree } from '../format/nar/tree.ts';
import { readNar } from '../format/nar/unpack.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { Realisation } from '../model/realisation.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { hashPart } from '../model/store-path.ts';
import type { Abilities, OpenNar, OpenOptions, Store } from './store.ts';

/** Bytes that can be read in any order, any number of times. */
export interface RandomBytes {
  /** What they are called in messages. */
  readonly name: string;
  range(offset: number, length: number): ByteSource;
  /** Where they lie, when that is a file of this machine. */
  readonly path?: string | undefined;
}

/** A path, and where its NAR begins. */
export interface FileEntry {
  readonly info: PathInfo;
  readonly offset: number;
}

export class ExportFile implements Store {
  readonly url: string;
  readonly storeDir: StoreDir;
  readonly abilities: Abilities = { ranges: true, encodings: false, trusted: false, priority: 0 };
  readonly #bytes: RandomBytes;
  readonly #entries: ReadonlyMap<StorePath, FileEntry>;

  constructor(storeDir: StoreDir, bytes: RandomBytes, entries: Iterable<FileEntry>) {
    this.url = bytes.name;
    this.storeDir = storeDir;
    this.#bytes = bytes;
    this.#entries = new Map(Array.from(entries, (entry) => [entry.info.path, entry]));
  }

  async pathInfos(paths: Iterable<StorePath>): Promise<Map<StorePath, PathInfo>> {
    const found = [...paths].flatMap((path) => this.#entries.get(path) ?? []);
    return new Map(found.map(({ info }) => [info.path, info]));
  }

  async pathByHashPart(part: string): Promise<StorePath | undefined> {
    return [...this.#entries.keys()].find((path) => hashPart(path) === part);
  }

  async open(info: PathInfo, { offset = 0 }: OpenOptions = {}): Promise<OpenNar> {
    const entry = this.#entry(info.path);
    const { narSize, narHash } = entry.info;
    const { path, name } = this.#bytes;
    const part = { offset: entry.offset + offset, length: narSize - offset };
    const bytes = this.#bytes.range(part.offset, part.length);
    const local = path === undefined ? undefined : { path, name, ...part };
    return { encoding: 'none', size: narSize, hash: narHash, bytes, local };
  }

  async tree(info: PathInfo): Promise<FileTree> {
    const { offset } = this.#entry(info.path);
    const builder = new ListingBuilder();
    await readNar(this.#bytes.range(offset, info.narSize), builder, { name: info.path });
    return listingTree(builder.root!, (at, length) => this.#bytes.range(offset + at, length));
  }

  /** The file is the caller's, and stays. */
  async hold(): Promise<AsyncDisposable> {
    return { async [Symbol.asyncDispose]() {} };
  }

  /** Export streams have none: a content-addressed output travels without the derivation that made it. */
  async realisations(): Promise<Realisation[]> {
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #entry(path: StorePath): FileEntry {
    const entry = this.#entries.get(path);
    if (entry) return entry;
    throw new NarrowError('missing', `${this.url} does not have ${path}`, { data: { path } });
  }
}
