// Reads the stream of fresh contents with Node's own zstd, whose output is new buffers for all there is.

import { constants, createZstdDecompress } from 'node:zlib';
import type { ZstdDecompress } from 'node:zlib';
import type { Place } from '../errors.ts';
import { badContents, shortContents } from './solid-decoder.ts';
import type { SolidDecoder } from './solid-decoder.ts';
import { windowLog } from './solid.ts';

/** Decompressed output is fetched in pieces of this size. */
const outputSize = 256 * 1024;
/** Decompressed bytes that may wait. */
const waitLimit = 512 * 1024;

export class StreamSolidDecoder implements SolidDecoder {
  #transform: ZstdDecompress | undefined;
  #output: Buffer[] = [];
  #block: Buffer = Buffer.alloc(0);
  #waiting = 0;
  /** Pieces that were fed and are not yet used up: the last one may be, in bytes, before its callback comes. */
  #busy = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  feed(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#transform ??= this.#open();
    this.#busy++;
    this.#transform.write(bytes, () => {
      this.#busy--;
      this.#ring();
    });
  }

  async read(size: number, place: Place): Promise<Buffer> {
    while (this.#waiting < size) {
      if (this.#failure !== undefined) throw badContents(place, this.#failure);
      const finished = this.#busy === 0 && (this.#transform?.readableLength ?? 0) === 0;
      this.#transform?.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (finished) setImmediate(resolve);
      });
      if (finished && this.#waiting < size && this.#failure === undefined)
        throw shortContents(place, size, this.#waiting);
    }
    return this.#take(size);
  }

  async drained(): Promise<boolean> {
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
