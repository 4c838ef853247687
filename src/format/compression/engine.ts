// Runs one of node:zlib's transforms as a stage. Node compresses on its thread pool and keeps a reference to what was
// written until that is done; so it is given staged buffers, one being compressed while the next one is filled.

import type { Transform } from 'node:stream';
import { staged } from './codec.ts';
import type { ByteSource } from '../../bytes/source.ts';

export interface Engine {
  readonly transform: Transform & { readonly bytesWritten: number };
  /** Cuts a staged buffer where the transform must be handed a new piece; whole by default. Throws for bad input. */
  readonly cut?: ((bytes: Buffer) => Iterable<Buffer>) | undefined;
  /** The input is over: throws if it cannot end here. */
  readonly finish?: (() => void) | undefined;
  /** Turns the transform's error into ours. */
  readonly explain: (error: NodeJS.ErrnoException, offset: number) => Error;
  /** More input than the transform wanted is left behind its end. */
  readonly trailing?: ((offset: number) => Error) | undefined;
}

/** Decoded chunks that may wait for the reader, before the transform is paused. */
const outputAhead = 3;

export async function* throughEngine(
  engine: Engine,
  source: ByteSource,
  signal?: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  const run = new EngineRun(engine);
  const fed = run.feed(staged(source, signal));
  try {
    for (;;) {
      const chunk = await run.next();
      if (!chunk) break;
      yield chunk;
    }
    await fed;
    run.check();
  } finally {
    run.close();
    await fed;
  }
}

class EngineRun {
  readonly #engine: Engine;
  readonly #output: Buffer[] = [];
  readonly #reader = new Bell();
  readonly #writer = new Bell();
  #failure: Error | undefined;
  #closed = false;
  #ended = false;
  /** Bytes fed in, and pieces of them not yet taken. */
  #fed = 0;
  #pending = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    const { transform } = engine;
    transform.on('data', (chunk: Buffer) => {
      this.#output.push(chunk);
      if (this.#output.length >= outputAhead) transform.pause();
      this.#reader.ring();
    });
    transform.on('end', () => {
      this.#ended = true;
      this.#stop(undefined);
    });
    transform.on('error', (error: NodeJS.ErrnoException) => {
      if (!this.#closed) this.#stop(engine.explain(error, transform.bytesWritten));
    });
  }

  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.#output.shift();
      if (chunk) return chunk;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return undefined;
      this.#engine.transform.resume();
      await this.#reader.rung();
    }
  }

  /** Throws what went wrong after the last chunk: input that should not be there. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async feed(buffers: AsyncIterable<Buffer>): Promise<void> {
    const { transform, cut, finish, trailing } = this.#engine;
    try {
      for await (const buffer of buffers) {
        for (const piece of cut?.(buffer) ?? [buffer]) await this.#write(piece);
        if (this.#closed || this.#failure !== undefined) return;
        if (this.#ended) break;
      }
      await this.#settled(0);
      finish?.();
      if (trailing && transform.bytesWritten < this.#fed) throw trailing(transform.bytesWritten);
      if (!this.#ended) transform.end();
    } catch (error) {
      this.#stop(error as Error);
    }
  }

  close(): void {
    this.#closed = true;
    this.#engine.transform.destroy();
    this.#writer.ring();
  }

  async #write(piece: Buffer): Promise<void> {
    if (this.#closed || this.#failure !== undefined) return;
    this.#fed += piece.length;
    if (this.#ended) return;
    this.#pending++;
    this.#engine.transform.write(piece, () => {
      this.#pending--;
      this.#writer.ring();
    });
    await this.#settled(1);
  }

  /** Waits until at most `pending` pieces are still being worked on. */
  async #settled(pending: number): Promise<void> {
    while (this.#pending > pending && !this.#closed && !this.#ended && this.#failure === undefined) {
      await this.#writer.rung();
    }
  }

  #stop(failure: Error | undefined): void {
    this.#failure ??= failure;
    this.#reader.ring();
    this.#writer.ring();
  }
}

/** One waiter, who is woken at the next ring; a ring without a waiter is remembered. */
class Bell {
  #ringing = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#ringing = true;
    this.#wake?.();
  }

  async rung(): Promise<void> {
    if (!this.#ringing) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = undefined;
    this.#ringing = false;
  }
}
