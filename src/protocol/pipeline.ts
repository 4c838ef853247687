// Requests and replies in order over one connection, without waiting: a request is written as soon as those before it are,
// a reply is read as soon as those before it are. Sending and reading never wait for each other, so that neither side
// can block the other with full buffers.

import { ByteReader } from '../bytes/reader.ts';
import { NarrowError } from '../errors.ts';
import type { Duplex } from './duplex.ts';
import { Output } from './duplex.ts';

export class Pipeline implements AsyncDisposable {
  readonly name: string;
  readonly reader: ByteReader;
  readonly output: Output;
  readonly #duplex: Duplex;
  #writing: Promise<unknown> = Promise.resolve();
  #reading: Promise<unknown> = Promise.resolve();
  #broken: Error | undefined;
  #finished = false;
  #pending = 0;

  constructor(duplex: Duplex) {
    this.#duplex = duplex;
    this.name = duplex.name;
    this.reader = new ByteReader(duplex.input, duplex.name);
    this.output = new Output(duplex);
  }

  /** Why nothing more can be asked; undefined while the connection is good. */
  get broken(): Error | undefined {
    return this.#broken ?? (this.#finished ? closed(this.name) : undefined);
  }

  /** Requests whose replies have not been read. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Queues a request. `send` writes all of it; `receive` reads all of its reply, and runs when the replies before it are
   * read, which may be before `send` is through. What either throws breaks the connection for all: an answer that says
   * "no" is a value.
   */
  request<T>(
    send: (output: Output) => void | Promise<void>,
    receive: (reader: ByteReader) => T | Promise<T>,
  ): Promise<T> {
    if (this.broken) return Promise.reject(this.broken);
    this.#pending++;
    this.#writing = this.#writing.then(() => this.#send(send));
    const reply = this.#reading.then(() => this.#receive(receive));
    this.#reading = reply.catch(() => {});
    return reply;
  }

  /**
   * Queues a request whose reply is a stream of bytes, which has to be read before the replies after it. Whoever stops
   * reading it before its end breaks the connection: the rest would stand in the way.
   */
  stream(
    send: (output: Output) => void | Promise<void>,
    receive: (reader: ByteReader) => AsyncIterable<Uint8Array>,
  ): ReplyStream {
    const begun = Promise.withResolvers<ByteReader>();
    const ended = Promise.withResolvers<void>();
    const reply = this.request(send, (reader) => {
      begun.resolve(reader);
      return ended.promise;
    });
    reply.catch((error: unknown) => begun.reject(error));
    const ready = begun.promise.then(() => {});
    // told to whoever reads; nobody has to
    for (const promise of [ready, ended.promise]) promise.catch(() => {});
    return { ready, bytes: readReply(begun.promise, ended, receive, this.name) };
  }

  /** Breaks the connection: everything that waits fails with `error`. The first error counts. */
  fail(error: Error): void {
    this.#broken ??= error;
    this.#duplex.destroy();
  }

  /** Ends the conversation after what was asked so far: nothing can be asked any more, outstanding replies still come. */
  finish(): void {
    if (this.#finished || this.#broken) return;
    this.#finished = true;
    this.#writing = this.#writing.then(async () => {
      await this.output.flush().catch(() => {});
      this.#duplex.end();
    });
  }

  async #send(send: (output: Output) => void | Promise<void>): Promise<void> {
    if (this.#broken) return;
    try {
      await send(this.output);
      this.output.flushSoon();
    } catch (error) {
      // When the other side is gone, what it said last is the better reason: the reader finds it.
      if (!isPipeError(error)) this.fail(asError(error));
    }
  }

  async #receive<T>(receive: (reader: ByteReader) => T | Promise<T>): Promise<T> {
    try {
      if (this.#broken) throw this.#broken;
      return await receive(this.reader);
    } catch (error) {
      this.fail(asError(error));
      throw this.#broken ?? error;
    } finally {
      this.#pending--;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.finish();
    this.#broken ??= closed(this.name);
    await this.#duplex[Symbol.asyncDispose]();
  }
}

/** A stream that was asked for. */
export interface ReplyStream {
  /** Resolves when all replies before it are read; rejects when the connection broke before. */
  readonly ready: Promise<void>;
  /** Borrowed chunks; can be read once. */
  readonly bytes: AsyncGenerator<Uint8Array, void, undefined>;
}

async function* readReply(
  begun: Promise<ByteReader>,
  ended: PromiseWithResolvers<void>,
  receive: (reader: ByteReader) => AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  let fault: unknown = new NarrowError('aborted', `reading from ${name} was given up`);
  try {
    yield* receive(await begun);
    fault = undefined;
  } catch (error) {
    fault = error;
    throw error;
  } finally {
    if (fault === undefined) ended.resolve();
    else ended.reject(fault);
  }
}

function closed(name: string): NarrowError {
  return new NarrowError('unavailable', `the connection to ${name} is closed`);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function isPipeError(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  return ['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END'].includes(code);
}
