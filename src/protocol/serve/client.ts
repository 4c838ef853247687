// A client of `nix-store --serve`, over any pair of byte streams. The greeting and the first requests travel together,
// and nothing waits for a reply that it does not need. An error of the server is the end of the conversation.

import type { ByteSource } from '../../bytes/source.ts';
import { ByteWriter } from '../../bytes/writer.ts';
import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { bareNar } from '../bare-nar.ts';
import type { Peer } from '../codec/codec.ts';
import type { Duplex } from '../duplex.ts';
import type { ReplyStream } from '../pipeline.ts';
import { Pipeline } from '../pipeline.ts';
import { greetServer, newestServe, serveHello } from './handshake.ts';
import type { ServeOperation } from './operations.ts';
import { serveOperations } from './operations.ts';

export interface ServeClientOptions {
  readonly storeDir: StoreDir;
  /** The minor version that is announced; default the newest. */
  readonly version?: number | undefined;
}

/** A connection whose greeting is over, and the minor version that both sides speak. */
export interface Greeted {
  readonly pipeline: Pipeline;
  readonly version: number;
}

export class ServeClient implements AsyncDisposable {
  readonly name: string;
  /** Resolves with what was agreed on; rejects when the other side is not what it should be. */
  readonly ready: Promise<Peer>;
  readonly #pipeline: Pipeline;
  readonly #announced: Peer;
  #peer: Peer;

  constructor(connection: Duplex | Greeted, options: ServeClientOptions) {
    const { storeDir } = options;
    const greeted = 'pipeline' in connection ? connection : undefined;
    const { version = newestServe } = greeted ?? options;
    this.#pipeline = 'pipeline' in connection ? connection.pipeline : new Pipeline(connection);
    this.name = this.#pipeline.name;
    this.#announced = { version, features: new Set(), storeDir };
    this.#peer = this.#announced;
    if (greeted) {
      this.ready = Promise.resolve(this.#peer);
      return;
    }
    this.ready = this.#pipeline.request(
      (output) => serveHello(output, version),
      async (reader) => (this.#peer = { ...this.#announced, version: await greetServer(reader, version) }),
    );
    this.ready.catch(() => {});
  }

  get broken(): Error | undefined {
    return this.#pipeline.broken;
  }

  /** Requests without a reply yet. */
  get pending(): number {
    return this.#pipeline.pending;
  }

  /** Asks without waiting for what was asked before, not even for the greeting. */
  call<Q, R>(op: ServeOperation<Q, R>, request: Q): Promise<R> {
    const bytes = this.#encode(op, request);
    return this.#pipeline.request(
      (output) => output.write(bytes),
      (reader) => op.reply.get(reader, this.#peer),
    );
  }

  /** The NAR of a valid path. It has to be read before later replies, whole. */
  dump(path: StorePath): ReplyStream {
    const bytes = this.#encode(serveOperations.dumpStorePath, { path });
    return this.#pipeline.stream(
      (output) => output.write(bytes),
      (reader) => bareNar(reader, path),
    );
  }

  /**
   * Queues one path; resolves when the server has registered it. `nar` has to be exactly the NAR of `info`: whatever else
   * happens to it ends the conversation, since the server cannot be told to forget what it was sent.
   */
  add(info: PathInfo, nar: ByteSource): Promise<void> {
    const op = serveOperations.addToStoreNar;
    const bytes = this.#encode(op, { info: { ...info, ultimate: false } });
    return this.#pipeline.request(
      async (output) => {
        await output.write(bytes);
        for await (const chunk of nar) await output.write(chunk);
      },
      async (reader) => op.reply.get(reader, this.#peer),
    );
  }

  /** Options of builds differ by version, so these wait for the greeting. */
  #encode<Q>(op: ServeOperation<Q, unknown>, request: Q): Buffer {
    if (this.#announced.version < op.since) {
      throw new NarrowError(
        'unsupported',
        `${this.name} is too old for ${op.name}: expected serve protocol 2.${op.since}`,
      );
    }
    const out = new ByteWriter().u64(op.number);
    op.request.put(out, request, this.#peer);
    return out.take();
  }

  /** No more requests; replies still come. The server ends after the last one. */
  finish(): void {
    this.#pipeline.finish();
  }

  /** Breaks the connection. */
  fail(error: Error): void {
    this.#pipeline.fail(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pipeline[Symbol.asyncDispose]();
  }
}
