// Connections in memory: two ends joined, or one that plays a recording.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from '../../src/protocol/duplex.ts';

/** An endless queue of chunks. */
class Queue implements AsyncIterable<Uint8Array> {
  readonly #chunks: Buffer[] = [];
  #wake = Promise.withResolvers<void>();
  #ended = false;

  push(chunk: Uint8Array): void {
    if (this.#ended) throw Object.assign(new Error('write after end'), { code: 'EPIPE' });
    this.#chunks.push(Buffer.from(chunk));
    this.#wake.resolve();
  }

  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk) {
        yield chunk;
        // chunks are borrowed: whoever kept this one reads nonsense
        chunk.fill(0xaa);
      } else if (this.#ended) return;
      else {
        await this.#wake.promise;
        this.#wake = Promise.withResolvers();
      }
    }
  }
}

function end(name: string, input: Queue, output: Queue): Duplex {
  const destroy = (): void => {
    input.end();
    output.end();
  };
  return {
    name,
    input,
    write: async (chunk) => output.push(chunk),
    end: () => output.end(),
    destroy,
    [Symbol.asyncDispose]: async () => destroy(),
  };
}

/** Two ends: what one writes the other reads. */
export function pair(): [client: Duplex, server: Duplex] {
  const [up, down] = [new Queue(), new Queue()];
  return [end('the server', down, up), end('the client', up, down)];
}

export interface Recorded {
  readonly dir: 'c2s' | 's2c';
  readonly note: string;
  readonly bytes: Buffer;
}

/** A recorded conversation of test/golden/protocol. */
export function recording(name: string): Recorded[] {
  const file = join(import.meta.dirname, '../golden/protocol', `${name}.json`);
  const list = JSON.parse(readFileSync(file, 'utf8')) as { dir: 'c2s' | 's2c'; note: string; hex: string }[];
  return list.map(({ dir, note, hex }) => ({ dir, note, bytes: Buffer.from(hex, 'hex') }));
}

/** A server that expects to be sent exactly `sent` and answers with `answer`; the written bytes are compared at the end. */
export function playback(answer: Uint8Array): { duplex: Duplex; written: () => Buffer } {
  const [input, written] = [new Queue(), [] as Buffer[]];
  input.push(answer);
  input.end();
  const duplex: Duplex = {
    name: 'the recording',
    input,
    write: async (chunk) => void written.push(Buffer.from(chunk)),
    end() {},
    destroy() {},
    async [Symbol.asyncDispose]() {},
  };
  return { duplex, written: () => Buffer.concat(written) };
}

/** Every way to cut bytes into chunks of one size. */
export function* inChunks(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += size) yield Uint8Array.from(bytes.subarray(i, i + size));
}

/** The promise has to reject with a message like this. */
export async function rejects(promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  await assert.rejects(promise, (error: Error) => {
    assert.match(error.message, pattern);
    return true;
  });
}
