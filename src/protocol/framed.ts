// Framed data: `u64 n, n bytes` (no padding) over and over, `u64 0` at the end.

import type { ByteReader } from '../bytes/reader.ts';
import type { ByteSource } from '../bytes/source.ts';
import { putU64 } from '../bytes/u64.ts';
import { formatError } from '../errors.ts';
import type { Output } from './duplex.ts';

/** Nothing sane sends a frame as large as this; the bytes of one are never held together anyway. */
const frameLimit = 2 ** 40;
/** Small writes are joined up to this size, the size of Nix's own frames. */
const frameSize = 32 * 1024;

/** Writes frames. `end` (or closing the connection) is a must: the other side reads on until the empty frame. */
export class FrameWriter {
  readonly #output: Output;
  #buffer: Buffer = Buffer.allocUnsafe(frameSize);
  #length = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Resolves when the chunk may be reused. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#length + chunk.length > this.#buffer.length) await this.flush();
    if (chunk.length >= this.#buffer.length) return this.#frame(chunk);
    this.#buffer.set(chunk, this.#length);
    this.#length += chunk.length;
  }

  async end(): Promise<void> {
    await this.flush();
    await this.#output.write(length(0));
  }

  /** Hands on what was joined so far. */
  async flush(): Promise<void> {
    if (this.#length === 0) return;
    const full = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    await this.#frame(full);
  }

  async #frame(chunk: Uint8Array): Promise<void> {
    await this.#output.write(length(chunk.length));
    await this.#output.write(chunk);
  }
}

function length(size: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  putU64(bytes, 0, size);
  return bytes;
}

/** Writes all of `source` as frames, and the empty frame. */
export async function writeFramed(output: Output, source: ByteSource): Promise<void> {
  const frames = new FrameWriter(output);
  for await (const chunk of source) await frames.write(chunk);
  await frames.end();
}

/** What is in the frames, as borrowed chunks. Whoever leaves early has lost the place in the stream. */
export async function* readFramed(reader: ByteReader): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) {
    const size = await reader.u64('the length of a frame');
    if (size === 0) return;
    if (size > frameLimit)
      throw formatError('frame is too long', { source: reader.name, offset: reader.position }, { got: String(size) });
    yield* reader.take(size, 'a frame');
  }
}
