// The stream of fresh contents of all paths: one zstd frame, so that what one file has repeats another's whichever path it is
// in. The encoder flushes at the end of each batch, so a batch can be read as soon as it has come; the frame never ends.

import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import type { ZstdCompress, ZstdDecompress } from 'node:zlib';
import { formatError } from '../errors.ts';
import type { Place } from '../errors.ts';

/** The receiver holds 2 to this many bytes of what came before. */
export const windowLog = 25;

/** Up to this level zstd looks only for matches of 5 bytes unless told otherwise; machine code has many of 4. */
const shortMatchLevel = 12;

/** Compressed output is fetched in pieces of this size. */
const outputSize = 256 * 1024;
/** Decompressed bytes that may wait. */
const waitLimit = 512 * 1024;

/** Compresses fresh contents, batch after batch. */
export class SolidEncoder implements Disposable {
  readonly #level: number;
  #transform: ZstdCompress | undefined;
  #output: Buffer[] = [];
  #failure: Error | undefined;

  constructor(level: number) {
    this.#level = level;
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
        ...(this.#level <= shortMatchLevel && { [constants.ZSTD_c_minMatch]: 4 }),
        [constants.ZSTD_c_enableLongDistanceMatching]: 1,
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

/** Decompresses fresh contents, batch after batch. */
export class SolidDecoder implements Disposable {
  #transform: ZstdDecompress | undefined;
  #output: Buffer[] = [];
  #block: Buffer = Buffer.alloc(0);
  #waiting = 0;
  /** Pieces that were fed and are not yet used up: the last one may be, in bytes, before its callback comes. */
  #busy = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  /** Gives the compressed contents of the next batch; those of the last one must have been read. */
  feed(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#transform ??= this.#open();
    this.#busy++;
    this.#transform.write(bytes, () => {
      this.#busy--;
      this.#ring();
    });
  }

  /** The next `size` bytes, borrowed until the next are read; a `format` error where there are fewer. */
  async read(size: number, place: Place): Promise<Buffer> {
    while (this.#waiting < size) {
      if (this.#failure !== undefined)
        throw formatError('bad compressed contents', place, { cause: this.#failure, got: this.#failure.message });
      const finished = this.#busy === 0 && (this.#transform?.readableLength ?? 0) === 0;
      this.#transform?.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (finished) setImmediate(resolve);
      });
      if (finished && this.#waiting < size && this.#failure === undefined)
        throw formatError('compressed contents end too early', place, {
          expected: `${size} bytes`,
          got: `${this.#waiting}`,
        });
    }
    return this.#take(size);
  }

  /** True when all that was fed has been read. */
  get drained(): boolean {
    return this.#waiting === 0;
  }

  [Symbol.dispose](): void {
    this.#transform?.destroy();
  }

  #take(size: number): Buffer {
    if (this.#block.length < size) this.#block = Buffer.allocUnsafe(size);
    const taken = this.#block.subarray(0, size);
    for (let at = 0; at < size;) {
      const first = this.#output[0]!;
      const part = first.subarray(0, size - at);
      taken.set(part, at);
      at += part.length;
      if (part.length === first.length) this.#output.shift();
      else this.#output[0] = first.subarray(part.length);
    }
    this.#waiting -= size;
    return taken;
  }

  #open(): ZstdDecompress {
    const transform = createZstdDecompress({
      chunkSize: outputSize,
      params: { [constants.ZSTD_d_windowLogMax]: windowLog },
    });
    transform.on('data', (chunk: Buffer) => {
      this.#output.push(chunk);
      this.#waiting += chunk.length;
      if (this.#waiting > waitLimit) transform.pause();
      this.#ring();
    });
    transform.on('error', (error) => {
      this.#failure = error;
      this.#ring();
    });
    // the frame has no end; whoever ends it has no more to say
    transform.on('end', () => {
      this.#failure ??= new Error('the frame ends');
      this.#ring();
    });
    return transform;
  }

  #ring(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
