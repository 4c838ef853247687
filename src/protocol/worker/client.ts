// A client of the Nix daemon, over any pair of byte streams. Requests are pipelined: calls made together travel together.

import type { ByteReader } from '../../bytes/reader.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { ByteWriter } from '../../bytes/writer.ts';
import { NarrowError } from '../../errors.ts';
import type { StorePath } from '../../model/store-path.ts';
import { bareNar } from '../bare-nar.ts';
import type { Duplex, Output } from '../duplex.ts';
import { FrameWriter } from '../framed.ts';
import { Pipeline } from '../pipeline.ts';
import { remoteError } from '../remote-error.ts';
import type { HelloOptions, WorkerPeer } from './handshake.ts';
import { clientHello, greetDaemon } from './handshake.ts';
import type { Message, WireError } from './message.ts';
import { getMessage } from './message.ts';
import type { Operation } from './operations.ts';
import { workerOperations } from './operations.ts';

export interface WorkerClientOptions extends HelloOptions {
  /** Log lines, activities and results as they come. */
  readonly onMessage?: ((message: Message) => void) | undefined;
}

type Answer<R> = { readonly value: R } | { readonly error: WireError };

export class WorkerClient implements AsyncDisposable {
  readonly peer: WorkerPeer;
  readonly name: string;
  readonly #pipeline: Pipeline;
  readonly #onMessage: (message: Message) => void;

  private constructor(pipeline: Pipeline, peer: WorkerPeer, onMessage: (message: Message) => void) {
    this.#pipeline = pipeline;
    this.name = pipeline.name;
    this.peer = peer;
    this.#onMessage = onMessage;
  }

  /** Greets the daemon. Throws `unsupported`, `refused` (users that may not connect), `format`, `unavailable`. */
  static async open(duplex: Duplex, options: WorkerClientOptions): Promise<WorkerClient> {
    const pipeline = new Pipeline(duplex);
    const onMessage = options.onMessage ?? ((): void => {});
    try {
      const answer = await pipeline.request(
        async (output) => {
          await clientHello(output, options);
          await output.flush();
        },
        async (reader) => {
          const peer = await greetDaemon(reader, pipeline.output, options);
          const error = await readMessages(reader, peer, onMessage);
          return error ? { error } : { value: peer };
        },
      );
      return new WorkerClient(pipeline, valueOf(pipeline.name, answer), onMessage);
    } catch (error) {
      pipeline.fail(error as Error);
      throw error;
    }
  }

  /** Undefined while requests can be made. */
  get broken(): Error | undefined {
    return this.#pipeline.broken;
  }

  /** Requests without a reply yet. */
  get pending(): number {
    return this.#pipeline.pending;
  }

  /** True when the daemon's version has the operation. */
  has(op: Operation<never, unknown> | Operation<unknown, unknown>): boolean {
    return this.peer.version >= op.since;
  }

  /** Asks without waiting for what was asked before. Throws what the daemon says, `unsupported` when it is too old. */
  async call<Q, R>(op: Operation<Q, R>, request: Q): Promise<R> {
    this.#expect(op);
    const bytes = this.#encode(op, request);
    const answer = await this.#pipeline.request(
      (output) => output.write(bytes),
      (reader) => this.#reply(op, reader),
    );
    return valueOf(this.name, answer);
  }

  /** The NAR of a valid path. It has to be read before later replies, whole. */
  nar(path: StorePath): { readonly ready: Promise<void>; readonly bytes: AsyncGenerator<Uint8Array, void, undefined> } {
    const op = workerOperations.narFromPath;
    const bytes = this.#encode(op, { path });
    return this.#pipeline.stream(
      (output) => output.write(bytes),
      (reader) => this.#narReply(path, reader),
    );
  }

  async *#narReply(path: StorePath, reader: ByteReader): AsyncGenerator<Uint8Array> {
    const error = await readMessages(reader, this.peer, this.#onMessage);
    if (error) throw remoteError(this.name, error.message, { path });
    yield* bareNar(reader, path);
  }

  /**
   * An operation with data. A source that fails ends the data early, which the daemon refuses: the connection stays good,
   * and the source's error is thrown. A daemon that refuses early is not sent the rest.
   */
  async upload<Q, R>(op: Operation<Q, R>, request: Q, body: ByteSource): Promise<R> {
    this.#expect(op);
    const bytes = this.#encode(op, request);
    const transfer = new Transfer(body);
    const pulled = this.peer.version < 23;
    const answer = await this.#pipeline.request(
      async (output) => {
        await output.write(bytes);
        await (pulled ? transfer.lend(output) : transfer.push(output));
      },
      async (reader) => {
        try {
          return await this.#reply(op, reader, pulled ? transfer : undefined);
        } finally {
          transfer.stop();
        }
      },
    );
    await transfer.through;
    // the daemon's complaint about data that ended early is a consequence
    if (transfer.fault !== undefined) throw transfer.fault;
    return valueOf(this.name, answer);
  }

  #encode<Q>(op: Operation<Q, unknown>, request: Q): Buffer {
    const out = new ByteWriter().u64(op.number);
    op.request.put(out, request, this.peer);
    return out.take();
  }

  async #reply<R>(
    op: Operation<unknown, R> | Operation<never, R>,
    reader: ByteReader,
    pulled?: Transfer,
  ): Promise<Answer<R>> {
    const error = await readMessages(reader, this.peer, this.#onMessage, pulled);
    return error ? { error } : { value: await op.reply.get(reader, this.peer) };
  }

  #expect(op: { readonly name: string; readonly since: number }): void {
    if (this.peer.version >= op.since) return;
    throw new NarrowError(
      'unsupported',
      `${this.name} is too old for ${op.name}: expected protocol 1.${op.since}, got 1.${this.peer.version}`,
    );
  }

  /** Breaks the connection. */
  fail(error: Error): void {
    this.#pipeline.fail(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pipeline[Symbol.asyncDispose]();
  }
}

function valueOf<R>(name: string, answer: Answer<R>): R {
  if ('value' in answer) return answer.value;
  const { message, traces } = answer.error;
  throw remoteError(name, message, traces.length > 0 ? { traces } : {});
}

/** Reads messages up to the last one, or to the error that stands in its place. */
async function readMessages(
  reader: ByteReader,
  peer: WorkerPeer,
  onMessage: (message: Message) => void,
  pulled?: Transfer,
): Promise<WireError | undefined> {
  for (;;) {
    const message = await getMessage(reader, peer);
    if (message.kind === 'last') return undefined;
    if (message.kind === 'error') return message.error;
    if (message.kind === 'read' && pulled) await pulled.answer(message.size);
    else onMessage(message);
  }
}

/** Stops a source whose reader has said no. */
const enough = Symbol('enough');

/** Data on its way to the daemon: pushed in frames, or before 1.23 pulled piece by piece. */
class Transfer {
  /** Resolves when nothing is being sent any more. */
  readonly through: Promise<void>;
  /** What the source threw. */
  fault: unknown;
  readonly #body: ByteSource;
  readonly #through: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #stopped: PromiseWithResolvers<void> = Promise.withResolvers();
  #stop = false;
  #output: Output | undefined;
  #pieces: AsyncGenerator<Uint8Array> | undefined;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(body: ByteSource) {
    this.#body = body;
    this.through = this.#through.promise;
  }

  /** The reply is there: whatever has not been sent is not wanted. */
  stop(): void {
    this.#stop = true;
    this.#stopped.resolve();
    if (this.#output === undefined) return;
    void this.#pieces?.return(undefined);
  }

  async push(output: Output): Promise<void> {
    const frames = new FrameWriter(output);
    try {
      for await (const chunk of this.#body) {
        if (this.#stop) throw enough;
        await frames.write(chunk);
      }
    } catch (error) {
      if (error !== enough) this.fault = error;
    } finally {
      await frames.end().finally(() => this.#through.resolve());
    }
  }

  /** Keeps other requests from being written until the reply has come. */
  async lend(output: Output): Promise<void> {
    this.#output = output;
    this.#pieces = pieces(this.#body);
    await output.flush();
    await this.#stopped.promise;
    this.#through.resolve();
  }

  /** Sends the next piece, of at most `size` bytes; an empty one says that there is none. */
  async answer(size: number): Promise<void> {
    while (this.#output === undefined) await new Promise(setImmediate);
    try {
      if (this.#rest.length === 0) {
        const next = await this.#pieces!.next();
        this.#rest = next.done === true ? new Uint8Array(0) : next.value;
      }
    } catch (error) {
      this.fault = error;
    }
    const piece = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(piece.length);
    await this.#output.write(new ByteWriter(piece.length + 16).string(piece).take());
    await this.#output.flush();
  }
}

async function* pieces(source: ByteSource): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) if (chunk.length > 0) yield chunk;
}
