// Output of a command that may make much of it: written at once while it is little, by another thread when it becomes much.

import { availableParallelism } from 'node:os';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { ByteSource } from '../bytes/source.ts';
import { PACK_BUFFER } from '../format/nar/pack.ts';
import { descriptorLimit } from './descriptors.ts';
import { DirectOutput } from './direct-output.ts';
import { ThreadedOutput } from './threaded-output.ts';

/** The event loop gets a turn each time this many bytes were written, so that signals are heard. */
const TURN = 16 << 20;
/** When so many bytes were written, a thread pays for those that follow: it takes 40 ms and 12 MB to start. */
const WORTH_A_THREAD = 8 << 20;
/** Descriptors of the process below which there is no thread, whose event loop needs some. */
const LEAST_DESCRIPTORS = 256;

export class Output implements AsyncDisposable {
  /** Bytes so far. */
  written = 0;
  readonly #direct: DirectOutput;
  readonly #name: string;
  readonly #worth: number;
  #thread: ThreadedOutput | undefined;
  #buffer: Buffer | undefined;
  #sinceTurn = 0;
  /** How much of the current chunk was written. */
  #at = 0;

  /** Output to `fd`, named `name` in errors; `fd` stays open. A thread is started when more than `worth` bytes have come. */
  constructor(fd: number, name: string, worth: number = WORTH_A_THREAD) {
    this.#direct = new DirectOutput(fd, name);
    this.#name = name;
    this.#worth = availableParallelism() > 1 && descriptorLimit() >= LEAST_DESCRIPTORS ? worth : Infinity;
  }

  /** Buffers for who makes chunks: those made there need not be copied, and each is given back by being written. */
  readonly buffers = (): Buffer => {
    const thread = this.#writer();
    return thread ? thread.buffer() : (this.#buffer ??= Buffer.allocUnsafeSlow(PACK_BUFFER));
  };

  /** Writes all of `source`. Throws `io`, and what the source throws. */
  async writeAll(source: ByteSource): Promise<void> {
    if (Symbol.iterator in source) {
      for (const chunk of source) if (!this.#write(chunk)) await this.#rest(chunk);
    } else {
      for await (const chunk of source) if (!this.#write(chunk)) await this.#rest(chunk);
    }
  }

  /** Waits until everything is written. Throws `io`. */
  async finish(): Promise<void> {
    await this.#writer()?.finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread?.[Symbol.asyncDispose]();
    this.#direct[Symbol.dispose]();
  }

  /** The thread, when it has started: from then on it writes, and this one does not. */
  #writer(): ThreadedOutput | undefined {
    return this.#thread?.started ? this.#thread : undefined;
  }

  /** False when `rest` has to be awaited. */
  #write(chunk: Uint8Array): boolean {
    this.written += chunk.length;
    this.#sinceTurn += chunk.length;
    if (this.written > this.#worth) this.#thread ??= new ThreadedOutput(this.#direct.fd, this.#name, PACK_BUFFER);
    this.#at = 0;
    return this.#some(chunk) && this.#sinceTurn < TURN;
  }

  /** False when the other side has enough for now. */
  #some(chunk: Uint8Array): boolean {
    const thread = this.#writer();
    this.#at = thread ? thread.put(chunk, this.#at) : this.#direct.some(chunk, this.#at);
    return this.#at === chunk.length && !thread?.tired;
  }

  /** Gives the event loop a turn, and writes what is left of `chunk`. */
  async #rest(chunk: Uint8Array): Promise<void> {
    this.#sinceTurn = 0;
    await setImmediate();
    for (;;) {
      const thread = this.#writer();
      await thread?.rest();
      if (this.#at === chunk.length || this.#some(chunk)) return;
      if (!thread) await setTimeout(1);
    }
  }
}
