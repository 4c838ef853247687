// One connection to a daemon that takes items one by one, each asked for before the last is answered: where a stream of them
// all is bound by the window of one channel, several of these are not.

import type { WorkerClient } from '../../protocol/worker/client.ts';
import { workerOperations as ops } from '../../protocol/worker/operations.ts';
import type { BulkOptions } from './bulk.ts';
import type { AddLane, LaneEvents } from './dispatcher.ts';
import type { Loaded } from './outgoing.ts';

export class WorkerLane implements AddLane {
  readonly #client: () => Promise<WorkerClient>;
  readonly #options: BulkOptions;
  readonly #events: LaneEvents;
  readonly #replies = new Set<Promise<void>>();
  #lost: { readonly error: unknown } | undefined;

  constructor(client: () => Promise<WorkerClient>, options: BulkOptions, events: LaneEvents) {
    this.#client = client;
    this.#options = options;
    this.#events = events;
  }

  async send(loaded: Loaded): Promise<void> {
    const { item } = loaded;
    const { repair = false, dontCheckSignatures } = this.#options;
    const client = await this.#client();
    const written = Promise.withResolvers<void>();
    const body = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield* loaded.nar();
      } finally {
        written.resolve();
      }
    };
    const info = { ...item.info, ultimate: false, registrationTime: 0 };
    const upload = client.upload(ops.addToStoreNar, { info, repair, dontCheckSignatures }, body());
    const reply = upload
      .then(
        () => this.#events.taken(item),
        (error: unknown) => {
          if (client.broken || this.#options.signal?.aborted) this.#lose(error);
          else this.#events.failed(item, error as Error);
        },
      )
      .finally(() => {
        written.resolve();
        this.#replies.delete(reply);
      });
    this.#replies.add(reply);
    await written.promise;
  }

  #lose(error: unknown): void {
    this.#lost ??= { error };
    this.#events.ended();
  }

  async settle(): Promise<void> {
    while (!this.#lost && this.#replies.size > 0) await Promise.race(this.#replies);
    if (this.#lost) throw this.#lost.error;
  }
}
