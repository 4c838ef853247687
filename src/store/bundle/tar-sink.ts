// A binary cache that is written as a tar archive, from its beginning to its end. NARs come before their narinfos, narinfos
// after those they refer to: whoever unpacks it while it comes always has a whole cache.

import { NarrowError } from '../../errors.ts';
import { tarEnd, tarHeader, tarPadding } from '../../format/tar.ts';
import { Spool } from '../../fs/spool.ts';
import type { CacheFiles, FileStat, OpenFile, StagedFile } from '../cache/files.ts';
import { namesOfReference } from '../cache/reference-names.ts';

export class TarSink implements CacheFiles {
  readonly url: string;
  readonly concurrency = 16;
  readonly near = true;
  readonly #write: (chunk: Uint8Array) => Promise<void>;
  /** Sizes of what is in it. */
  readonly #sizes = new Map<string, number>();
  /** Files are put in one at a time. */
  #turn: Promise<void> = Promise.resolve();

  /** `write` is given borrowed chunks, one after the other. */
  constructor(name: string, write: (chunk: Uint8Array) => Promise<void>) {
    this.url = name;
    this.#write = write;
  }

  /** Nothing can be added behind this. */
  async finish(): Promise<void> {
    await this.#turn;
    await this.#write(tarEnd);
  }

  /** Only what is not there is ever asked for. */
  async read(): Promise<undefined> {}

  async open(reference: string): Promise<OpenFile | undefined> {
    throw new NarrowError('unsupported', `${this.url} is being written: ${reference} cannot be read`);
  }

  async stat(reference: string): Promise<FileStat | undefined> {
    const size = this.#sizes.get(this.#name(reference));
    return size === undefined ? undefined : { size };
  }

  write(reference: string, bytes: Uint8Array): Promise<void> {
    return this.#add(this.#name(reference), bytes.length, [bytes]);
  }

  /** Its size has to be known first. */
  async stage(): Promise<StagedFile> {
    const spool = new Spool();
    return {
      write: (chunk) => spool.write(chunk),
      commit: (reference) => this.#add(this.#name(reference), spool.size, spool.read()),
      [Symbol.asyncDispose]: () => spool[Symbol.asyncDispose](),
    };
  }

  async create(reference: string, bytes: Uint8Array): Promise<boolean> {
    if (await this.stat(reference)) return false;
    await this.write(reference, bytes);
    return true;
  }

  list(): undefined {}

  listAll(): undefined {}

  /** Called for what could not be finished: then the whole archive is given up. */
  async remove(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  #name(reference: string): string {
    return namesOfReference(reference, this.url).join('/');
  }

  #add(name: string, size: number, contents: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const added = this.#turn.then(() => this.#append(name, size, contents));
    this.#turn = added.catch(() => {});
    return added;
  }

  async #append(name: string, size: number, contents: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    // of two paths with the same contents the NAR is there once
    if (this.#sizes.has(name)) return;
    await this.#write(tarHeader(name, size));
    for await (const chunk of contents) await this.#write(chunk);
    await this.#write(tarPadding(size));
    this.#sizes.set(name, size);
  }
}
