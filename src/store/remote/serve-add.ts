// Adds over the serve protocol: queued back to back, their one-word replies counted. The server ends at the first path it
// does not take, so that one is the first without a reply; those behind it go into a new session.

import { NarrowError, isNarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { ServeClient } from '../../protocol/serve/client.ts';
import type { AddOptions, Item, Outcome } from '../store.ts';
import { batchesOf } from './batches.ts';
import { added, bulkItems, failure, outcomeOfKnown } from './bulk.ts';
import { because } from './outcomes.ts';
import type { Loaded } from './outgoing.ts';
import { loadAhead } from './outgoing.ts';

export interface ServePlace {
  readonly url: string;
  /** The session; a new one after the last has ended. */
  readonly session: () => ServeClient;
  /** Paths that were not there when it was checked. */
  readonly missing: ReadonlySet<StorePath>;
  readonly infos: (paths: readonly StorePath[]) => Promise<readonly PathInfo[]>;
  readonly warn: (text: string) => void;
}

/** Sessions that ended without a single path taken: the next would, too. */
const hopeless = 3;

/** Adds items, references first. Throws when the host cannot be reached any more. */
export async function addOverServe(
  place: ServePlace,
  items: AsyncIterable<Item>,
  options: AddOptions,
  tell: (outcome: Outcome) => void,
): Promise<void> {
  const state = new Adding(place, options, tell);
  for await (const batch of batchesOf(items, bulkItems)) {
    const missing = await sortOut(place, batch, state);
    for await (const loaded of loadAhead(missing, options)) await state.add(loaded);
  }
  await state.settle();
}

/** Those of `items` that are not there; what is known of the others is told. */
async function sortOut(place: ServePlace, items: readonly Item[], state: Adding): Promise<readonly Item[]> {
  const unasked = items.map((item) => item.info.path).filter((path) => !place.missing.has(path));
  if (unasked.length === 0) return items;
  // asked while earlier items are on their way: those are another's answer
  const known = new Map((await place.infos(unasked)).map((info) => [info.path, info]));
  return items.filter((item) => {
    const outcome = outcomeOfKnown(known.get(item.info.path), item.info);
    if (outcome) state.tellKnown(item, outcome);
    return outcome === undefined;
  });
}

interface Sent {
  readonly item: Item;
  readonly reply: Promise<unknown>;
  /** What the source threw while it was sent. */
  fault?: Error;
}

class Adding {
  readonly #place: ServePlace;
  readonly #options: AddOptions;
  readonly #tell: (outcome: Outcome) => void;
  readonly #failed = new Map<StorePath, Error>();
  /** Of the present session, in order; what was answered is gone. */
  #sent: Sent[] = [];
  #session: ServeClient | undefined;
  #fruitless = 0;
  #warned = false;

  constructor(place: ServePlace, options: AddOptions, tell: (outcome: Outcome) => void) {
    this.#place = place;
    this.#options = options;
    this.#tell = tell;
  }

  /** Sends one item; what came of it is told when the reply is there. */
  async add(loaded: Loaded): Promise<void> {
    this.#options.signal?.throwIfAborted();
    const { item } = loaded;
    if (this.#settledBeforehand(item)) return;
    if (loaded.whole) {
      try {
        await loaded.whole;
      } catch (error) {
        if (this.#options.signal?.aborted) throw error;
        return this.#fail(item, error as Error);
      }
    }
    if (this.#session?.broken) {
      await this.settle();
      // what failed may have been a reference
      if (this.#settledBeforehand(item)) return;
    }
    this.#session = this.#place.session();
    await this.#send(this.#session, loaded);
  }

  /** Items that need no sending, or for which it makes no sense. */
  #settledBeforehand(item: Item): boolean {
    const { path, references } = item.info;
    const lost = references.find((r) => r !== path && this.#failed.has(r));
    if (lost !== undefined) {
      const why = because(path, `it needs ${lost}, which failed`);
      this.#fail(item, new NarrowError('missing', why, { cause: this.#failed.get(lost) }));
      return true;
    }
    const last = [...this.#failed.values()].at(-1);
    if (this.#fruitless >= hopeless && last) {
      this.#fail(item, new NarrowError('refused', because(path, last.message)));
      return true;
    }
    return this.#realisationsLost(item);
  }

  /** Realisations cannot be sent: what needs them is refused, for the others a warning will do. */
  #realisationsLost(item: Item): boolean {
    const { info, realisations = [] } = item;
    if (realisations.length === 0) return false;
    if (info.ca) {
      const why = `${this.#place.url} cannot be told the realisations of ${info.path}, the output of a content-addressed derivation`;
      this.#fail(item, new NarrowError('refused', why, { hint: 'use ssh-ng://' }));
      return true;
    }
    if (!this.#warned)
      this.#place.warn(`${this.#place.url} cannot be told realisations, such as that of ${info.path}; ssh-ng:// could`);
    this.#warned = true;
    return false;
  }

  /** What is there already: realisations that cannot be sent are a reason to fail all the same. */
  tellKnown(item: Item, outcome: Outcome): void {
    if ('error' in outcome) this.#fail(item, outcome.error, outcome);
    else if (!this.#realisationsLost(item)) this.#tell(outcome);
  }

  /** Resolves when the item is written, not when it is answered. */
  async #send(session: ServeClient, loaded: Loaded): Promise<void> {
    const { item } = loaded;
    const written = Promise.withResolvers<void>();
    const sent: { -readonly [K in keyof Sent]: Sent[K] } = { item, reply: Promise.resolve() };
    const body = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield* loaded.nar();
      } catch (error) {
        // half a NAR is on its way: the session can only end, but what went before it still gets its answer
        sent.fault = error as Error;
        session.finish();
      } finally {
        written.resolve();
      }
    };
    sent.reply = session.add(wireInfo(item.info), body());
    this.#sent.push(sent);
    sent.reply.then(
      () => this.#answered(sent),
      () => written.resolve(),
    );
    await written.promise;
  }

  #answered(sent: Sent): void {
    this.#sent.splice(this.#sent.indexOf(sent), 1);
    this.#fruitless = 0;
    this.#tell(added(sent.item));
  }

  /** Waits for all replies; what the session took down with it is sent again, but for the path that did it. */
  async settle(): Promise<void> {
    for (;;) {
      const replies = await Promise.allSettled(this.#sent.map((s) => s.reply));
      const [first, ...rest] = this.#sent;
      if (!first) return;
      this.#sent = [];
      const lost = replies.find((r) => r.status === 'rejected')!.reason as Error;
      if (this.#options.signal?.aborted) throw lost;
      if (!first.fault && isConnection(lost)) throw lost;
      this.#fruitless++;
      this.#fail(first.item, first.fault ?? named(lost, first.item.info, this.#place.url));
      for await (const loaded of loadAhead(
        rest.map((s) => s.item),
        this.#options,
      )) {
        await this.add(loaded);
      }
    }
  }

  #fail(item: Item, error: Error, outcome: Outcome = failure(item, error)): void {
    this.#failed.set(item.info.path, error);
    this.#tell(outcome);
  }
}

/** Where it was built, and when, is not the receiver's business; `ultimate` would be a lie. */
function wireInfo(info: PathInfo): PathInfo {
  return { ...info, registrationTime: 0, ultimate: false };
}

/** True when the line is at fault, or the greeting: no path is to blame, and another session would do no better. */
function isConnection(error: Error): boolean {
  if (!isNarrowError(error)) return true;
  return error.data['connection'] === true || error.data['banner'] === true || error.code === 'unsupported';
}

function named(error: Error, { path }: PathInfo, url: string): Error {
  if (!isNarrowError(error) || error.message.includes(path)) return error;
  const reason = String(error.data['remote'] ?? error.message);
  return new NarrowError(
    error.code === 'format' ? 'unavailable' : error.code,
    `${url} did not take ${path}: ${reason}`,
    {
      cause: error,
      hint: error.hint,
      data: { ...error.data, path },
    },
  );
}
