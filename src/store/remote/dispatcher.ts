// Items over several sessions of one connection, where a single one carries no more than its window a round trip. An item is
// sent where all its references are answered, or on their way before it in the same session; what is behind a session that
// ended is sent again.

import { NarrowError } from '../../errors.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { AddOptions, Item, Outcome } from '../store.ts';
import { added, failure } from './bulk.ts';
import { because } from './outcomes.ts';
import type { Loaded } from './outgoing.ts';
import { loadAhead } from './outgoing.ts';

/** One session that takes items in order. */
export interface AddLane {
  /** Sends an item; resolves when it is written, not when it is answered. */
  send(loaded: Loaded): Promise<void>;
  /** Waits for all answers. Throws when the other side cannot be reached any more. */
  settle(): Promise<void>;
}

/** What a lane tells of what it was given. */
export interface LaneEvents {
  taken(item: Item): void;
  failed(item: Item, error: Error): void;
  /** Not answered, and not to blame. */
  returned(items: readonly Item[]): void;
  /** It has to settle before it can go on. */
  ended(): void;
}

export interface DispatcherOptions extends AddOptions {
  /** Opens one more lane. */
  readonly openLane: (events: LaneEvents) => AddLane;
  readonly maxLanes: number;
  /** Why an item is not sent at all. */
  readonly refuse?: ((item: Item) => Error | undefined) | undefined;
  readonly tell: (outcome: Outcome) => void;
}

/** One more lane for so many bytes: one ssh channel carries about 2 MiB a round trip. */
export const bytesPerLane: number = 8 * 1024 * 1024;
/** Items that a lane of several has at hand: what it has, no other takes. */
const fewAhead = 3;
/** Failures one after the other without a single path taken: the next would fail, too. */
const hopeless = 3;

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #lanes: AddLane[] = [];
  /** In order, references first. */
  #waiting: Item[] = [];
  /** Of paths that wait. */
  readonly #paths = new Set<StorePath>();
  /** Given to a lane, and not answered. */
  readonly #onLane = new Map<StorePath, AddLane>();
  /** Of those, what was sent: the others are at hand, and may come back and be taken up again behind their referrers. */
  readonly #sent = new Set<StorePath>();
  readonly #failed = new Map<StorePath, Error>();
  #fruitless = 0;
  /** What the last of them failed with. */
  #last: Error | undefined;
  #bytes = 0;
  #fault: { readonly error: unknown } | undefined;
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Sends items; resolves when the last is written. */
  async add(items: readonly Item[]): Promise<void> {
    for (const item of items) {
      this.#waiting.push(item);
      this.#paths.add(item.info.path);
      this.#bytes += item.info.narSize;
    }
    await this.#work();
  }

  /** Waits until every item has its outcome. */
  async settle(): Promise<void> {
    do {
      await this.#work();
      for (const lane of this.#lanes) await lane.settle();
    } while (this.#waiting.length > 0);
  }

  /** What became of an item that was not sent. */
  fail(item: Item, error: Error, outcome: Outcome = failure(item, error)): void {
    this.#failed.set(item.info.path, error);
    this.#options.tell(outcome);
  }

  async #work(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const wanted = Math.max(1, Math.min(this.#options.maxLanes, 1 + Math.floor(this.#bytes / bytesPerLane)));
    while (this.#lanes.length < wanted) this.#openLane();
    const ahead = wanted > 1 ? fewAhead : undefined;
    await Promise.all(this.#lanes.map((lane) => this.#feed(lane, ahead).catch((error: unknown) => this.#stop(error))));
    if (this.#fault) throw this.#fault.error;
  }

  #openLane(): void {
    const ended = (): void => void lane.settle().catch((error: unknown) => this.#stop(error));
    const lane = this.#options.openLane({ ...this.#events(), ended });
    this.#lanes.push(lane);
  }

  /** No lane is to wait for another that gave up. */
  #stop(error: unknown): void {
    this.#fault ??= { error };
    this.#wake();
  }

  async #feed(lane: AddLane, ahead: number | undefined): Promise<void> {
    for await (const loaded of loadAhead(this.#itemsFor(lane), this.#options, ahead)) {
      this.#options.signal?.throwIfAborted();
      if (this.#fault) return;
      const { item } = loaded;
      const fault = await loaded.whole?.then(
        () => undefined,
        (error: Error) => error,
      );
      if (fault && this.#options.signal?.aborted) throw fault;
      if (fault) this.#failNow(item, fault);
      // since it was chosen a reference may have failed, or have come back
      else if (!this.#maySend(item, lane)) this.#return([item]);
      else if (!this.#settledBeforehand(item)) {
        this.#sent.add(item.info.path);
        await lane.send(loaded);
      }
    }
  }

  /** Items in the order in which this lane may send them; ends when nothing waits any more. */
  async *#itemsFor(lane: AddLane): AsyncGenerator<Item, void, undefined> {
    while (this.#waiting.length > 0 && !this.#fault) {
      const at = this.#waiting.findIndex((item) => this.#fits(item, lane));
      if (at < 0) {
        await this.#changed.promise;
        continue;
      }
      const [item] = this.#waiting.splice(at, 1);
      this.#paths.delete(item!.info.path);
      if (this.#settledBeforehand(item!)) continue;
      this.#onLane.set(item!.info.path, lane);
      this.#wake();
      yield item!;
    }
  }

  #fits({ info }: Item, lane: AddLane): boolean {
    return info.references.every((reference) => {
      if (reference === info.path) return true;
      if (this.#paths.has(reference)) return false;
      const on = this.#onLane.get(reference);
      return on === undefined || on === lane;
    });
  }

  #maySend(item: Item, lane: AddLane): boolean {
    const { path, references } = item.info;
    return this.#fits(item, lane) && references.every((r) => r === path || !this.#onLane.has(r) || this.#sent.has(r));
  }

  #settledBeforehand(item: Item): boolean {
    const hopelessly = this.#fruitless >= hopeless && this.#last;
    const error =
      this.#lost(item) ??
      (hopelessly
        ? new NarrowError('refused', because(item.info.path, hopelessly.message))
        : this.#options.refuse?.(item));
    if (error) this.#failNow(item, error);
    return error !== undefined;
  }

  /** What an item fails with whose reference has failed. */
  #lost({ info: { path, references } }: Item): Error | undefined {
    const lost = references.find((r) => r !== path && this.#failed.has(r));
    if (lost === undefined) return undefined;
    return new NarrowError('missing', because(path, `it needs ${lost}, which failed`), {
      cause: this.#failed.get(lost),
    });
  }

  #failNow(item: Item, error: Error): void {
    this.#leave(item.info.path);
    this.fail(item, error);
    this.#wake();
  }

  #leave(path: StorePath): void {
    this.#onLane.delete(path);
    this.#sent.delete(path);
  }

  #return(items: readonly Item[]): void {
    for (const { info } of items) {
      this.#leave(info.path);
      this.#paths.add(info.path);
    }
    this.#waiting.unshift(...items);
    this.#wake();
  }

  #events(): Omit<LaneEvents, 'ended'> {
    return {
      taken: (item) => {
        this.#leave(item.info.path);
        this.#fruitless = 0;
        this.#options.tell(added(item));
        this.#wake();
      },
      failed: (item, error) => {
        // what was sent behind a path that failed fails with it, and says nothing of the others
        const lost = this.#lost(item);
        if (!lost) {
          this.#fruitless++;
          this.#last = error;
        }
        this.#failNow(item, lost ?? error);
      },
      returned: (items) => this.#return(items),
    };
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
