// A file that is compressed while it is written, and that appears under its name when all of it is there.

import { Channel } from '../../bytes/channel.ts';
import { encode } from '../../format/compression.ts';
import type { EncodeOptions } from '../../format/compression.ts';
import { AtomicFile } from '../../fs/atomic-file.ts';

export class EncodedFile implements AsyncDisposable {
  readonly #path: string;
  readonly #file: AtomicFile;
  readonly #channel: Channel | undefined;
  readonly #drained: Promise<void>;
  /** Bytes of the file. */
  written = 0;

  private constructor(path: string, file: AtomicFile, encoding: string, options: EncodeOptions) {
    this.#path = path;
    this.#file = file;
    this.#channel = encoding === 'none' ? undefined : new Channel();
    this.#drained = this.#channel ? this.#drain(encode(encoding, this.#channel, options)) : Promise.resolve();
    // it is awaited at the end
    this.#drained.catch(() => this.#channel?.leave());
  }

  /** Throws `io`, and `unsupported` for an encoding that cannot be written. */
  static async create(path: string, encoding: string, options: EncodeOptions = {}): Promise<EncodedFile> {
    const file = await AtomicFile.create(path);
    return new EncodedFile(path, file, encoding, options);
  }

  /** Appends a borrowed chunk. Throws `io`. */
  async write(chunk: Uint8Array): Promise<void> {
    if (!this.#channel) return this.#append(chunk);
    try {
      await this.#channel.push(chunk);
    } catch (error) {
      // the reason why nobody reads on
      await this.#drained;
      throw error;
    }
  }

  /** Gives the file its name. Throws `io`. */
  async finish(): Promise<void> {
    this.#channel?.end();
    await this.#drained;
    await this.#file.commit(this.#path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel?.end(new Error('the file was given up'));
    await this.#drained.catch(() => {});
    await this.#file[Symbol.asyncDispose]();
  }

  async #drain(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    for await (const chunk of source) await this.#append(chunk);
  }

  async #append(chunk: Uint8Array): Promise<void> {
    await this.#file.write(chunk);
    this.written += chunk.length;
  }
}
