// The writer of the stream of fresh contents of all paths: one zstd frame, so that what one file has repeats another's whichever path it is
// in. The encoder flushes at the end of each batch, so a batch can be read as soon as it has come; the frame never ends.

import { constants, createZstdCompress } from 'node:zlib';
import type { ZstdCompress } from 'node:zlib';

/** The receiver holds 2 to this many bytes of what came before. */
export const windowLog = 25;

/** Up to this level zstd looks only for matches of 5 bytes unless told otherwise; machine code has many of 4. */
const shortMatchLevel = 12;
/** Its own search finds more than the one for long distances, which is left what is long: 0.4 % fewer bytes. */
const shortMatches = { [constants.ZSTD_c_minMatch]: 4, [constants.ZSTD_c_ldmMinMatch]: 1024 };

/** A window and a table that take 61 MB at level 12 where its own take 101, for two bytes more of a thousand. */
const lean = { [constants.ZSTD_c_windowLog]: 24, [constants.ZSTD_c_hashLog]: 22 };

/** Compressed output is fetched in pieces of this size. */
const outputSize = 256 * 1024;

/** Compresses fresh contents, batch after batch. */
export class SolidEncoder implements Disposable {
  readonly #level: number;
  readonly #lean: boolean;
  #transform: ZstdCompress | undefined;
  #output: Buffer[] = [];
  #failure: Error | undefined;

  /** `lean`: up to level 12, takes less memory. */
  constructor(level: number, lean = false) {
    this.#level = level;
    this.#lean = lean && level <= shortMatchLevel;
  }

  /** The compressed form of `contents`, complete. */
  async add(contents: Iterable<Uint8Array>): Promise<Buffer> {
    let transform: ZstdCompress | undefined;
    for (const block of contents) {
      const into = (transform = this.#transform ??= this.#open());
      await this.#done((done) => into.write(block, done));
    }
    if (transform === undefined) return Buffer.alloc(0);
    const flushed = transform;
    await this.#done((done) => flushed.flush(constants.ZSTD_e_flush, done));
    while (flushed.readableLength > 0) await new Promise((resolve) => setImmediate(resolve));
    const output = Buffer.concat(this.#output);
    this.#output = [];
    return output;
  }

  [Symbol.dispose](): void {
    this.#transform?.destroy();
  }

  #open(): ZstdCompress {
    const transform = createZstdCompress({
      chunkSize: outputSize,
      params: {
        [constants.ZSTD_c_compressionLevel]: this.#level,
        [constants.ZSTD_c_windowLog]: windowLog,
        [constants.ZSTD_c_enableLongDistanceMatching]: 1,
        ...(this.#level <= shortMatchLevel && shortMatches),
        ...(this.#lean && lean),
      },
    });
    transform.on('data', (chunk: Buffer) => this.#output.push(chunk));
    transform.on('error', (error) => (this.#failure = error));
    return transform;
  }

  async #done(start: (done: () => void) => void): Promise<void> {
    await new Promise<void>((resolve) => start(resolve));
    if (this.#failure !== undefined) throw this.#failure;
  }
}
