// One session of the serve protocol that takes items: queued back to back, their one-word replies counted. The server ends at
// the first path it does not take, so that one is the first without a reply; those behind it go back.

import { NarrowError, isNarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { ServeClient } from '../../protocol/serve/client.ts';
import type { Item } from '../store.ts';
import type { AddLane, LaneEvents } from './dispatcher.ts';
import type { Loaded } from './outgoing.ts';

interface Sent {
  readonly item: Item;
  reply: Promise<unknown>;
  /** What the source threw while it was sent. */
  fault?: Error;
}

export interface ServeLaneOptions {
  readonly url: string;
  /** The session; a new one after the last has ended. */
  readonly session: () => ServeClient;
  readonly signal?: AbortSignal | undefined;
}

export class ServeLane implements AddLane {
  readonly #options: ServeLaneOptions;
  readonly #events: LaneEvents;
  /** Of the present session, in order; what was answered is gone. */
  #sent: Sent[] = [];
  #session: ServeClient | undefined;

  constructor(options: ServeLaneOptions, events: LaneEvents) {
    this.#options = options;
    this.#events = events;
  }

  async send(loaded: Loaded): Promise<void> {
    if (this.#session?.broken) {
      await this.settle();
      // what failed may have been a reference: whoever chose it looks again
      return this.#events.returned([loaded.item]);
    }
    this.#session = this.#options.session();
    await this.#write(this.#session, loaded);
  }

  async #write(session: ServeClient, loaded: Loaded): Promise<void> {
    const { item } = loaded;
    const written = Promise.withResolvers<void>();
    const sent: Sent = { item, reply: Promise.resolve() };
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
      () => {
        this.#sent.splice(this.#sent.indexOf(sent), 1);
        this.#events.taken(item);
      },
      () => {
        written.resolve();
        this.#events.ended();
      },
    );
    await written.promise;
  }

  /** Waits for all replies; what the session took down with it goes back, but for the path that did it. */
  async settle(): Promise<void> {
    const sent = this.#sent;
    const replies = await Promise.allSettled(sent.map((s) => s.reply));
    const [first, ...rest] = sent;
    // settled by another call meanwhile, or nothing to settle
    if (!first || sent !== this.#sent) return;
    this.#sent = [];
    this.#session = undefined;
    const lost = replies.find((r) => r.status === 'rejected')!.reason as Error;
    if (this.#options.signal?.aborted) throw lost;
    if (!first.fault && isConnection(lost)) throw lost;
    this.#events.returned(rest.map((s) => s.item));
    this.#events.failed(first.item, first.fault ?? named(lost, first.item.info, this.#options.url));
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
