// The client's side of narrow's own protocol, on a connection whose greeting is over. Requests are answered in order and
// may be queued without waiting.

import type { ByteReader } from '../../bytes/reader.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { ByteWriter } from '../../bytes/writer.ts';
import type { Peer } from '../codec/codec.ts';
import type { Output } from '../duplex.ts';
import { FrameWriter, readFramed } from '../framed.ts';
import type { Pipeline, ReplyStream } from '../pipeline.ts';
import type { NarrowGreeting } from './handshake.ts';
import type { NarrowOperation } from './operations.ts';
import { getReply } from './reply.ts';
import type { Reply } from './reply.ts';

export class NarrowClient implements AsyncDisposable {
  readonly greeting: NarrowGreeting;
  readonly #pipeline: Pipeline;
  readonly #peer: Peer;

  constructor(pipeline: Pipeline, greeting: NarrowGreeting) {
    this.greeting = greeting;
    this.#pipeline = pipeline;
    this.#peer = { version: greeting.version, features: new Set(greeting.features), storeDir: greeting.storeDir };
  }

  get name(): string {
    return this.#pipeline.name;
  }

  get broken(): Error | undefined {
    return this.#pipeline.broken;
  }

  /**
   * Asks; `body` follows as frames where the operation has one, and is left when the answer comes before its end. Throws what
   * the other side says went wrong.
   */
  async call<Q, R>(op: NarrowOperation<Q, R>, request: Q, body: ByteSource = []): Promise<R> {
    let answered = false;
    const reply = await this.#pipeline.request(
      async (output) => {
        await output.write(this.#encode(op, request));
        if (op.body === 'frames') await sendBody(output, body, () => answered);
      },
      async (reader) => {
        const got = await getReply(reader, op.reply, this.#peer);
        answered = true;
        return got;
      },
    );
    if ('failure' in reply) throw reply.failure;
    return reply.value;
  }

  /** Asks for framed bytes. They have to be read whole, before the replies after them. */
  stream<Q>(op: NarrowOperation<Q, void>, request: Q): ReplyStream {
    const peer = this.#peer;
    const bytesOfRequest = this.#encode(op, request);
    let reply: Reply<void> | undefined;
    const { ready, bytes } = this.#pipeline.stream(
      (output) => output.write(bytesOfRequest),
      async function* (this: void, reader: ByteReader) {
        yield* readFramed(reader);
        reply = await getReply(reader, op.reply, peer);
      },
    );
    return {
      ready,
      bytes: (async function* () {
        yield* bytes;
        // thrown here, not while the reply is read: that would end the conversation
        if (reply && 'failure' in reply) throw reply.failure;
      })(),
    };
  }

  #encode<Q>(op: NarrowOperation<Q, unknown>, request: Q): Buffer {
    const out = new ByteWriter().u64(op.number);
    op.request.put(out, request, this.#peer);
    return out.take();
  }

  fail(error: Error): void {
    this.#pipeline.fail(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pipeline[Symbol.asyncDispose]();
  }
}

/** Writes `body` as frames until `left` is true. Each chunk goes out at once: the other side works on it while the next is made. */
async function sendBody(output: Output, body: ByteSource, left: () => boolean): Promise<void> {
  const frames = new FrameWriter(output);
  for await (const chunk of body) {
    if (left()) break;
    await frames.write(chunk);
    await frames.flush();
    await output.flush();
  }
  await frames.end();
}
