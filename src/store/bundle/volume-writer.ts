// Writes a bundle's bytes into one file, or into several that are not larger than wished. All of them get their names when
// everything is written.

import { createHash } from 'node:crypto';
import type { Hash as Hasher } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { AtomicFile } from '../../fs/atomic-file.ts';
import { signText } from '../../model/signature.ts';
import type { SecretKey } from '../../model/signature.ts';
import type { PartialFile } from './partial.ts';
import { blockSize, footerSize, formatEnd, hashSize, volumeMagic } from './volume.ts';
import type { Segment } from './volume.ts';
import { volumeName } from './volume-names.ts';

export interface VolumeWriterOptions {
  /** The same for all volumes. */
  readonly bundle: string;
  readonly keys?: readonly SecretKey[];
  /** Bytes that a file may have; at least {@link leastVolume}. */
  readonly volumeSize?: number | undefined;
}

/** What table and signatures of a volume take at most, but for the segments. */
const textRoom = 16 * 1024;
export const leastVolume: number = 256 * 1024;

export class VolumeWriter implements AsyncDisposable {
  readonly #path: string;
  readonly #options: VolumeWriterOptions;
  readonly #done: AtomicFile[] = [];
  /** Of those that are done. */
  readonly #sizes: number[] = [];
  #file: AtomicFile | undefined;
  #hashes: Buffer[] = [];
  #hasher: Hasher = createHash('sha256');
  /** Bytes of this volume, of this block, and of all volumes before. */
  #size = 0;
  #inBlock = 0;
  #start = 0;
  /** Bytes of all files. */
  written = 0;
  /** Temporary files stay when it is disposed unfinished. */
  keep = false;

  constructor(path: string, options: VolumeWriterOptions) {
    this.#path = path;
    this.#options = options;
  }

  /** Appends a borrowed chunk. Throws `io`. */
  async write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      const file = (this.#file ??= await this.#open());
      const part = chunk.subarray(at, at + Math.min(this.#room(), blockSize - this.#inBlock));
      await file.write(part);
      this.#hasher.update(part);
      at += part.length;
      this.#size += part.length;
      this.written += part.length;
      this.#inBlock += part.length;
      if (this.#inBlock === blockSize) this.#endBlock();
      if (this.#room() <= 0) await this.#endVolume();
    }
  }

  /** Ends the last volume, and gives all their names: one has the name itself. Returns the files. */
  async finish(segments: readonly Segment[]): Promise<string[]> {
    this.#file ??= await this.#open();
    await this.#endVolume(segments);
    const alone = this.#done.length === 1;
    const names = this.#done.map((_, i) => (alone ? this.#path : volumeName(this.#path, i + 1)));
    for (const [i, file] of this.#done.entries()) await file.commit(names[i]!);
    // what was there under the other kind of name is no part of this bundle
    await rm(alone ? volumeName(this.#path, 1) : this.#path, { force: true });
    return names;
  }

  /** The temporary files, and how many bytes of the body are in each. */
  parts(): PartialFile[] {
    const done = this.#done.map(({ path }, i) => ({ file: path, size: this.#sizes[i]! }));
    return this.#file ? [...done, { file: this.#file.path, size: this.#size }] : done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of [...this.#done, ...(this.#file ? [this.#file] : [])])
      await (this.keep ? file.keep() : file[Symbol.asyncDispose]());
  }

  /** Bytes that this volume may still take. */
  #room(): number {
    const { volumeSize } = this.#options;
    if (volumeSize === undefined) return Infinity;
    const end = (this.#hashes.length + 1) * hashSize + textRoom + footerSize;
    return volumeSize - volumeMagic.length - this.#size - end;
  }

  async #open(): Promise<AtomicFile> {
    const file = await AtomicFile.create(this.#path);
    await file.write(volumeMagic);
    this.written += volumeMagic.length;
    return file;
  }

  #endBlock(): void {
    this.#hashes.push(this.#hasher.digest());
    this.#hasher = createHash('sha256');
    this.#inBlock = 0;
  }

  async #endVolume(segments?: readonly Segment[]): Promise<void> {
    if (this.#inBlock > 0) this.#endBlock();
    const { bundle, keys = [] } = this.#options;
    const table = { bundle, volume: this.#done.length + 1, start: this.#start, size: this.#size, segments };
    const end = formatEnd(Buffer.concat(this.#hashes), table, (text) => keys.map((key) => signText(key, text)));
    await this.#file!.write(end);
    this.written += end.length;
    this.#done.push(this.#file!);
    this.#sizes.push(this.#size);
    this.#file = undefined;
    this.#hashes = [];
    this.#start += this.#size;
    this.#size = 0;
  }
}
