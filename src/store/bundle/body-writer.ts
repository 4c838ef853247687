// Writes the body of a bundle, and notes how far it is good: a run that is ended leaves that to the next one.

import { createHash } from 'node:crypto';
import { isNarrowError } from '../../errors.ts';
import { dropFiles, dropPartial, partialBytes, savePartial } from './partial.ts';
import type { Partial } from './partial.ts';
import type { Segment } from './volume.ts';
import { VolumeWriter } from './volume-writer.ts';
import type { VolumeWriterOptions } from './volume-writer.ts';

/** What a bundle begins with. */
export interface Head {
  readonly bytes: Uint8Array;
  /** The id of a bundle that begins like this. */
  readonly bundle: string;
  readonly made: number;
}

export function headOf(bytes: Uint8Array, made: number): Head {
  return { bytes, made, bundle: createHash('sha256').update(bytes).digest('hex').slice(0, 32) };
}

export interface BodyWriterOptions extends Omit<VolumeWriterOptions, 'bundle'> {
  readonly head: Head;
  /** How segments are made; undefined: nothing is noted. */
  readonly how: string | undefined;
}

export class BodyWriter implements AsyncDisposable {
  readonly #file: string;
  readonly #options: BodyWriterOptions;
  readonly #out: VolumeWriter;
  readonly #hash = createHash('sha256');
  #size = 0;
  readonly segments: Segment[] = [];

  private constructor(file: string, options: BodyWriterOptions) {
    this.#file = file;
    this.#options = options;
    this.#out = new VolumeWriter(file, { ...options, bundle: options.head.bundle });
  }

  /** With the head, or all that `partial` holds: it has to be of the same bundle, and sound. Throws `io`. */
  static async begin(file: string, options: BodyWriterOptions, partial: Partial | undefined): Promise<BodyWriter> {
    await using stack = new AsyncDisposableStack();
    const writer = stack.use(new BodyWriter(file, options));
    for await (const chunk of partial ? partialBytes(partial) : [options.head.bytes]) await writer.#write(chunk);
    if (partial) {
      writer.segments.push(...partial.segments);
      await writer.#note();
      await dropFiles(file, partial);
    }
    stack.move();
    return writer;
  }

  /** A segment of so many paths; `last` of the bundle. */
  async segment(paths: number, bytes: AsyncIterable<Uint8Array>, last: boolean): Promise<void> {
    const start = this.#size;
    try {
      for await (const chunk of bytes) await this.#write(chunk);
    } catch (error) {
      if (!isNarrowError(error, 'aborted')) await this.#giveUp();
      throw error;
    }
    this.segments.push({ paths, size: this.#size - start });
    if (!last) await this.#note();
  }

  async finish(): Promise<{ files: string[]; size: number }> {
    const files = await this.#out.finish(this.segments);
    if (this.#options.how !== undefined) await dropPartial(this.#file);
    return { files, size: this.#out.written };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#out[Symbol.asyncDispose]();
  }

  async #write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    this.#size += chunk.length;
    await this.#out.write(chunk);
  }

  async #note(): Promise<void> {
    const { how, head } = this.#options;
    if (how === undefined) return;
    const { bundle, made } = head;
    const sha256 = this.#hash.copy().digest('hex');
    const files = this.#out.parts();
    const { segments } = this;
    await savePartial(this.#file, { bundle, made, how, pid: process.pid, segments, size: this.#size, sha256, files });
    this.#out.keep = true;
  }

  /** What failed by itself would fail again: nothing is left of it. */
  async #giveUp(): Promise<void> {
    if (!this.#out.keep) return;
    this.#out.keep = false;
    await dropPartial(this.#file);
  }
}
