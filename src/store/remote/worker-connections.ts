// Connections to a daemon. One asks, adds and holds temporary roots for the life of the store; it is replaced when it breaks,
// and what was held is held again. Others are opened for what takes long.

import { NarrowError } from '../../errors.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import type { Duplex } from '../../protocol/duplex.ts';
import { WorkerClient } from '../../protocol/worker/client.ts';
import type { Message } from '../../protocol/worker/message.ts';
import { workerOperations as ops } from '../../protocol/worker/operations.ts';
import type { RemoteContext } from './context.ts';
import { showMessages } from './log.ts';

export interface ConnectionsOptions {
  readonly url: string;
  readonly storeDir: StoreDir;
  readonly context: RemoteContext;
  /** Opens a connection to the daemon. */
  readonly connect: () => Promise<Duplex>;
  /** Says better what went wrong with a connection that is new. */
  readonly explain?: ((error: unknown) => unknown) | undefined;
}

export class WorkerConnections implements AsyncDisposable {
  readonly #options: ConnectionsOptions;
  readonly #held = new Set<StorePath>();
  readonly #clients = new Set<WorkerClient>();
  #main: Promise<WorkerClient> | undefined;
  /** It, once it is there. */
  #open: WorkerClient | undefined;
  #disposed = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** The one that asks. */
  main(): Promise<WorkerClient> {
    const main = this.#main ?? this.#reopen();
    return main.then((client) => (client.broken ? this.#reopen(client) : client));
  }

  /** Another one is to ask from now on; what this one holds is held until the end. */
  renew(): void {
    this.#main = this.#open = undefined;
  }

  async #reopen(old?: WorkerClient): Promise<WorkerClient> {
    if (old && this.#main && (await this.#main) !== old) return this.main();
    const opening = this.open();
    this.#main = opening.then((client) => {
      this.#open = client;
      sendRoots(client, this.#held);
      return client;
    });
    this.#main.catch(() => (this.#main = undefined));
    return this.#main;
  }

  /** Another one, which says no more than warnings. */
  async open(): Promise<WorkerClient> {
    const client = await this.connect(showMessages(this.#options.url, this.#options.context));
    // messages below warnings are for its own users
    client.call(ops.setOptions, quiet).catch(() => {});
    return client;
  }

  /** Another one, with the daemon's own settings. */
  async connect(onMessage: (message: Message) => void): Promise<WorkerClient> {
    const { url, storeDir, context, connect, explain } = this.#options;
    if (this.#disposed) throw new NarrowError('unavailable', `${url} is closed`);
    context.signal?.throwIfAborted();
    const client = await WorkerClient.open(await connect(), { storeDir, onMessage }).catch((error: unknown) => {
      throw explain ? explain(error) : error;
    });
    this.#clients.add(client);
    return client;
  }

  /**
   * Temporary roots, which live as long as the connection: sent at once, or first of all when it is opened. What is asked
   * after this is answered after it.
   */
  hold(paths: Iterable<StorePath>): void {
    const fresh = [...new Set(paths)].filter((path) => !this.#held.has(path));
    for (const path of fresh) this.#held.add(path);
    if (this.#open && !this.#open.broken) sendRoots(this.#open, fresh);
  }

  holds(path: StorePath): boolean {
    return this.#held.has(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await Promise.allSettled([...this.#clients].map((client) => client[Symbol.asyncDispose]()));
  }
}

function sendRoots(client: WorkerClient, paths: Iterable<StorePath>): void {
  // a connection that breaks shows it to the next question
  for (const path of paths) client.call(ops.addTempRoot, { path }).catch(() => {});
}

/** Warnings and errors only; nothing is built over these connections. */
const quiet = {
  keepFailed: false,
  keepGoing: false,
  tryFallback: false,
  verbosity: 1,
  maxBuildJobs: 1,
  maxSilentTime: 0,
  verboseBuild: false,
  buildCores: 0,
  useSubstitutes: true,
  overrides: [],
};
