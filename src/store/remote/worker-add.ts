// Adding through a daemon: what is there already is sorted out, the rest goes in streams until every item has its outcome.

import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { WorkerClient } from '../../protocol/worker/client.ts';
import { workerOperations as ops } from '../../protocol/worker/operations.ts';
import type { Item, Outcome } from '../store.ts';
import { batchesOf } from './batches.ts';
import type { BulkOptions } from './bulk.ts';
import { addBulk, addSingly, bulkItems, failure, outcomeOfKnown } from './bulk.ts';
import { Dispatcher, bytesPerLane } from './dispatcher.ts';
import { because } from './outcomes.ts';
import { Registration, takesRealisations, untakable } from './registration.ts';
import { WorkerLane } from './worker-lane.ts';

export interface WorkerPlace {
  readonly url: string;
  /** The connection; a new one after the last has broken. */
  readonly client: () => Promise<WorkerClient>;
  /** Opens further connections. */
  readonly open: () => Promise<WorkerClient>;
  /** At most so many, where one is bound by the window of its channel. */
  readonly maxLanes: number;
  /** Paths that were not there when it was checked. */
  readonly missing: ReadonlySet<StorePath>;
  readonly infos: (paths: readonly StorePath[]) => Promise<ReadonlyMap<StorePath, PathInfo>>;
}

/** From this version on data is sent without being asked for. */
const pushed = 23;
/** Streams that failed one after the other without a single path taken: the next would fail, too. */
const hopeless = 3;

/** Adds items, references first. Throws when the daemon cannot be reached any more. */
export async function addOverWorker(
  place: WorkerPlace,
  items: AsyncIterable<Item>,
  options: BulkOptions,
  tell: (outcome: Outcome) => void,
): Promise<void> {
  const adding = new Adding(place, options, tell);
  for await (const batch of batchesOf(items, bulkItems)) await adding.add(batch);
  await adding.register();
}

class Adding {
  readonly #place: WorkerPlace;
  readonly #options: BulkOptions;
  readonly #tell: (outcome: Outcome) => void;
  readonly #failed = new Map<StorePath, Error>();
  readonly #registration = new Registration();
  #dispatcher: Dispatcher | undefined;

  constructor(place: WorkerPlace, options: BulkOptions, tell: (outcome: Outcome) => void) {
    this.#place = place;
    this.#options = options;
    this.#tell = (outcome) => {
      if ('error' in outcome) this.#failed.set(outcome.path, outcome.error);
      tell(outcome);
    };
  }

  async add(batch: readonly Item[]): Promise<void> {
    const able = await this.#sortOut(await this.#place.client(), batch);
    const client = await this.#place.client();
    const bytes = able.reduce((sum, { info }) => sum + info.narSize, 0);
    const several = this.#place.maxLanes > 1 && client.peer.version >= pushed && bytes > 2 * bytesPerLane;
    if (this.#dispatcher || several) return this.#dispatch(able);
    if (client.has(ops.addMultipleToStore as never)) return this.#addRounds(able);
    await addSingly(client, able, this.#options, (outcome) => this.#tellAdded(outcome));
  }

  /** Over several connections, each path by itself: a stream of many tells nothing of any before it ends. */
  async #dispatch(items: readonly Item[]): Promise<void> {
    this.#dispatcher ??= this.#open();
    await this.#dispatcher.add(items.filter((item) => !this.#tellIfLost(item)));
  }

  #open(): Dispatcher {
    const { client, open, maxLanes } = this.#place;
    let lanes = 0;
    return new Dispatcher({
      ...this.#options,
      maxLanes,
      openLane: (events) => new WorkerLane(lanes++ === 0 ? client : kept(open), this.#options, events),
      tell: (outcome) => this.#tellAdded(outcome),
    });
  }

  async register(): Promise<void> {
    await this.#dispatcher?.settle();
    await this.#registration.register(this.#place.client, this.#tell);
  }

  /** Streams until every item has its outcome: what a stream did not reach goes into the next. */
  async #addRounds(items: readonly Item[]): Promise<void> {
    let left = items;
    for (let fruitless = 0; left.length > 0;) {
      const able = left.filter((item) => !this.#tellIfLost(item));
      if (able.length === 0) return;
      const round = await addBulk(await this.#place.client(), able, this.#options);
      for (const outcome of round.outcomes) this.#tellAdded(outcome);
      left = round.left;
      fruitless = round.outcomes.some((o) => o.status === 'added') ? 0 : fruitless + 1;
      const last = round.outcomes.at(-1);
      if (fruitless < hopeless || !last || !('error' in last)) continue;
      for (const item of left)
        this.#tell(failure(item, new NarrowError('refused', because(item.info.path, last.error.message))));
      return;
    }
  }

  /**
   * Those of `items` that have to be sent. What is there already, or other than it, is told, and its realisations are
   * remembered for registration; items whose realisations this daemon cannot be given are refused by name.
   */
  async #sortOut(client: WorkerClient, items: readonly Item[]): Promise<readonly Item[]> {
    const { missing, infos, url } = this.#place;
    const unasked = items.map((item) => item.info.path).filter((path) => !missing.has(path));
    const known = unasked.length === 0 ? new Map<StorePath, PathInfo>() : await infos(unasked);
    return items.filter((item) => {
      const { info, realisations = [] } = item;
      const outcome = outcomeOfKnown(known.get(info.path), info);
      if (outcome && 'error' in outcome) this.#tell(outcome);
      else if (realisations.length > 0 && !takesRealisations(client, realisations)) {
        this.#tell(failure(item, untakable(url, item)));
        return false;
      } else {
        this.#registration.remember(info.path, realisations);
        if (outcome) this.#tellAdded(outcome);
      }
      return outcome === undefined;
    });
  }

  #tellAdded(outcome: Outcome): void {
    this.#registration.tellAdded(outcome, this.#tell);
  }

  #tellIfLost(item: Item): boolean {
    const { path, references } = item.info;
    const lost = references.find((r) => r !== path && this.#failed.has(r));
    if (lost === undefined) return false;
    const why = because(path, `it needs ${lost}, which failed`);
    this.#tell(failure(item, new NarrowError('missing', why, { cause: this.#failed.get(lost) })));
    return true;
  }
}

/** The same connection each time. */
function kept(open: () => Promise<WorkerClient>): () => Promise<WorkerClient> {
  let opened: Promise<WorkerClient> | undefined;
  return () => (opened ??= open());
}
