// Fetches NARs over connections that answer one request after the other, without waiting for each: those that are
// expected are asked for ahead, in their order, a limited number of bytes. Small ones are kept until somebody opens
// them; a large one waits on its connection, which is why there may be several (lanes).

import { NarrowError, isNarrowError } from '../../errors.ts';
import type { ReplyStream } from '../../protocol/pipeline.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';

export interface Lane {
  nar(path: StorePath): ReplyStream;
  readonly broken: Error | undefined;
}

export interface FetcherOptions {
  readonly openLane: () => Promise<Lane>;
  /** At most so many connections. */
  readonly maxLanes: number;
}

/** Asked for ahead, in bytes: several times what a fast line holds in a round trip. */
const windowBytes = 16 * 1024 * 1024;
/** Up to this size a NAR is kept in memory until it is opened. */
const keptSize = 1024 * 1024;
/** One more lane for so many expected bytes: one ssh channel carries about 2 MiB a round trip. */
const bytesPerLane = 8 * 1024 * 1024;
/** How long one that is opened waits behind one that is not, in milliseconds. */
const patience = 1000;

interface LaneState {
  readonly lane: Promise<Lane>;
  /** Once it is open. */
  open: Lane | undefined;
  outstanding: number;
  broken: boolean;
  /** Asked for and not read to the end, in order. */
  readonly line: Entry[];
}

interface Entry {
  readonly info: PathInfo;
  readonly on: LaneState;
  readonly stream: Promise<ReplyStream>;
  readonly whole: Promise<Buffer> | undefined;
  opened: boolean;
}

export class Fetcher {
  readonly #options: FetcherOptions;
  #lanes: LaneState[] = [];
  #expected: PathInfo[] = [];
  #expectedBytes = 0;
  readonly #asked = new Map<StorePath, Entry>();
  #ahead = 0;

  constructor(options: FetcherOptions) {
    this.#options = options;
  }

  /** These will be opened, about in this order. */
  expect(infos: readonly PathInfo[]): void {
    for (const info of infos) {
      this.#expected.push(info);
      this.#expectedBytes += info.narSize;
    }
    this.#pump();
  }

  /** The NAR of a path; asked for when it is first read, unless it was ahead. */
  async *fetch(info: PathInfo, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    signal?.throwIfAborted();
    let begun = false;
    for (let attempt = 0; ; attempt++) {
      try {
        for await (const chunk of this.#fetchOnce(info, attempt > 0)) {
          begun = true;
          yield chunk;
        }
        return;
      } catch (error) {
        // somebody else gave up on the same connection
        const again = !begun && attempt === 0 && isNarrowError(error, 'aborted') && !signal?.aborted;
        if (!again) throw error;
      }
    }
  }

  async *#fetchOnce(info: PathInfo, anew: boolean): AsyncGenerator<Uint8Array, void, undefined> {
    let entry = anew ? undefined : this.#asked.get(info.path);
    if (!entry) {
      this.#expected = this.#expected.filter((e) => e.path !== info.path);
      entry = this.#ask(info, false);
    }
    this.#asked.delete(info.path);
    entry.opened = true;
    if (!entry.whole) entry = await this.#notBehind(entry);
    try {
      if (entry.whole) yield await entry.whole;
      else yield* (await entry.stream).bytes;
    } finally {
      this.#release(entry);
    }
  }

  /** Waits for the entry's turn; one that stands behind a large one that nobody opens is asked for elsewhere. */
  async #notBehind(entry: Entry): Promise<Entry> {
    const stream = await entry.stream;
    for (;;) {
      const timer = Promise.withResolvers<boolean>();
      const timeout = setTimeout(() => timer.resolve(false), patience);
      const ready = await Promise.race([stream.ready.then(() => true), timer.promise]).finally(() =>
        clearTimeout(timeout),
      );
      if (ready) return entry;
      const before = entry.on.line.slice(0, entry.on.line.indexOf(entry));
      if (before.every((e) => e.opened || e.whole !== undefined)) continue;
      void skip(stream).catch(() => {});
      this.#release(entry);
      return { ...this.#ask(entry.info, true), opened: true };
    }
  }

  #pump(): void {
    while (this.#expected.length > 0 && this.#ahead < windowBytes) {
      const info = this.#expected.shift()!;
      if (this.#asked.has(info.path)) continue;
      this.#asked.set(info.path, this.#ask(info, false));
    }
  }

  #ask(info: PathInfo, alone: boolean): Entry {
    const on = alone ? this.#newLane() : this.#pickLane();
    const stream = on.lane.then((lane) => lane.nar(info.path));
    const whole = info.narSize <= keptSize ? stream.then(({ bytes }) => collect(bytes)) : undefined;
    for (const promise of [stream, whole]) promise?.catch(() => (on.broken = true));
    const entry: Entry = { info, on, stream, whole, opened: false };
    on.line.push(entry);
    on.outstanding += info.narSize;
    this.#ahead += info.narSize;
    return entry;
  }

  #release({ on, info, stream }: Entry): void {
    const at = on.line.findIndex((e) => e.stream === stream);
    if (at < 0) return;
    on.line.splice(at, 1);
    on.outstanding -= info.narSize;
    this.#ahead -= info.narSize;
    this.#pump();
  }

  #pickLane(): LaneState {
    this.#lanes = this.#lanes.filter((l) => !l.broken && !l.open?.broken);
    const wanted = Math.min(this.#options.maxLanes, 1 + Math.floor(this.#expectedBytes / bytesPerLane));
    const least = this.#lanes.toSorted((a, b) => a.outstanding - b.outstanding)[0];
    if (least && (least.outstanding === 0 || this.#lanes.length >= wanted)) return least;
    return this.#newLane();
  }

  #newLane(): LaneState {
    const lane = this.#options.openLane();
    const state: LaneState = { lane, open: undefined, outstanding: 0, broken: false, line: [] };
    lane.then(
      (open) => (state.open = open),
      () => (state.broken = true),
    );
    this.#lanes.push(state);
    return state;
  }
}

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Reads what nobody wants any more, up to a limit: past it the connection is given up. */
async function skip({ bytes }: ReplyStream): Promise<void> {
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > 4 * windowBytes) throw new NarrowError('aborted', 'a large NAR is not wanted any more');
  }
}
