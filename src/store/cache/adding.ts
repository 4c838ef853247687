// Adding many paths to a cache at once. Large NARs are written first, so that none is left for one core at the end; the
// rest as they come, references first, so that a copy that is killed leaves most of its work behind as whole paths. Each
// narinfo is written only when those of its references are there: no client ever sees a path whose references are missing.

import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Item, Outcome } from '../store.ts';
import { Slots } from './slots.ts';

/** The steps of adding one path. They throw; the scheduler makes outcomes of that. */
export interface AddSteps<Written> {
  /** What there is to do: undefined when the path is there already, with everything that belongs to it. */
  begin(item: Item): Promise<{ readonly status: 'valid' } | { readonly status: 'missing' }>;
  /** The NAR. */
  write(item: Item): Promise<Written>;
  /** Resolves when nothing but its name is missing of the narinfo. */
  ready?(written: Written): Promise<void>;
  /** True when a reference that is not among the items is there. */
  has(path: StorePath): Promise<boolean>;
  /** The narinfo and what goes with it. Returns the bytes of the NAR that were written. */
  finish(item: Item, written: Written): Promise<number>;
  /** Takes a narinfo back whose references did not come to be. Only where it may have been ahead of them. */
  withdraw?(item: Item): Promise<void>;
}

/** Bytes of a NAR from which on its writing is worth an early start: seconds of a core with xz. */
const large = 16 * 1024 * 1024;

interface Job {
  readonly item: Item;
  /** Counted as they came. */
  readonly number: number;
  readonly started: PromiseWithResolvers<void>;
}

/**
 * Takes items as fast as they come and yields outcomes as they happen. `writers` NARs are written at once, `askers`
 * paths looked up at once.
 */
export async function* addAll<Written>(
  items: AsyncIterable<Item>,
  steps: AddSteps<Written>,
  { writers, askers, stop, ordered = false }: AddLimits,
): AsyncGenerator<Outcome, void, undefined> {
  const scheduler = new Scheduler(steps, { writers, askers, ordered });
  void scheduler.feed(items);
  try {
    yield* scheduler.outcomes();
  } finally {
    stop.abort(new NarrowError('aborted', 'nobody waits for this copy any more'));
    await scheduler.stopped();
  }
}

export interface AddLimits {
  readonly writers: number;
  readonly askers: number;
  /**
   * Narinfos appear in the order in which {@link AddSteps.finish} is called, whatever is cut off. So each need not wait for
   * a round trip after those of its references, of which a closure has chains of dozens.
   */
  readonly ordered?: boolean | undefined;
  /** Aborted when the reader of the outcomes leaves: the steps watch its signal. */
  readonly stop: AbortController;
}

class Scheduler<Written> {
  readonly #steps: AddSteps<Written>;
  readonly #asking: Slots;
  /** Most urgent last once {@link #sorted}; taken from the end. */
  readonly #queue: Job[] = [];
  #sorted = true;
  readonly #done: Outcome[] = [];
  /** By path, whether it ended up there. Never rejects. */
  readonly #paths = new Map<StorePath, Promise<boolean>>();
  /** By path, whether its narinfo is there or will be before all that is finished later. Never rejects. */
  readonly #ahead = new Map<StorePath, Promise<boolean>>();
  /** Whether a path that is not among the items is there; asked for once, for thousands refer to the same few. */
  readonly #others = new Map<StorePath, Promise<boolean>>();
  readonly #ordered: boolean;
  #freeWriters: number;
  #jobs = 0;
  #open = 0;
  #ended = false;
  #stopped = false;
  #failure: unknown;
  #wake: (() => void) | undefined;
  /** The turn of the event loop in which waiting jobs are started is not over: more may come. */
  #starting = false;

  constructor(steps: AddSteps<Written>, { writers, askers, ordered }: Omit<Required<AddLimits>, 'stop'>) {
    this.#steps = steps;
    this.#ordered = ordered === true;
    this.#freeWriters = writers;
    this.#asking = new Slots(askers);
  }

  async feed(items: AsyncIterable<Item>): Promise<void> {
    try {
      for await (const item of items) {
        if (this.#stopped) return;
        this.#open++;
        const ahead = Promise.withResolvers<boolean>();
        this.#ahead.set(item.info.path, ahead.promise);
        const settled = this.#settle(item, () => ahead.resolve(true));
        this.#paths.set(item.info.path, settled);
        void settled.then(ahead.resolve);
      }
    } catch (error) {
      this.#failure = error;
    } finally {
      this.#ended = true;
      this.#wake?.();
    }
  }

  async *outcomes(): AsyncGenerator<Outcome, void, undefined> {
    for (;;) {
      const outcome = this.#done.shift();
      if (outcome) yield outcome;
      else if (this.#open === 0 && this.#ended) break;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Starts nothing more, and waits for what is under way. */
  async stopped(): Promise<void> {
    this.#stopped = true;
    const gone = new NarrowError('aborted', 'nobody waits for this copy any more');
    for (const job of this.#queue.splice(0)) job.started.reject(gone);
    await Promise.all(this.#paths.values());
  }

  async #settle(item: Item, onAhead: () => void): Promise<boolean> {
    const outcome = await this.#run(item, onAhead).catch((error: unknown) => failed(item.info, error));
    this.#done.push(outcome);
    this.#open--;
    this.#wake?.();
    return outcome.status === 'added' || outcome.status === 'valid';
  }

  async #run(item: Item, onAhead: () => void): Promise<Outcome> {
    const { path } = item.info;
    const { status } = await this.#asking.run(() => this.#steps.begin(item));
    if (status === 'valid') return { status, path, bytes: 0 };
    const written = await this.#written(item);
    await this.#steps.ready?.(written);
    await this.#expectReferences(item.info, this.#ahead);
    if (!this.#ordered) {
      const bytes = await this.#asking.run(() => this.#steps.finish(item, written));
      return { status: 'added', path, bytes };
    }
    const finished = this.#steps.finish(item, written);
    onAhead();
    const bytes = await finished;
    await this.#expectReferences(item.info, this.#paths).catch(async (error: unknown) => {
      await this.#steps.withdraw?.(item);
      throw error;
    });
    return { status: 'added', path, bytes };
  }

  async #written(item: Item): Promise<Written> {
    const started = Promise.withResolvers<void>();
    this.#queue.push({ item, number: this.#jobs++, started });
    this.#sorted = false;
    this.#startSoon();
    await started.promise;
    try {
      return await this.#steps.write(item);
    } finally {
      this.#freeWriters++;
      this.#startSoon();
    }
  }

  #startSoon(): void {
    if (this.#starting) return;
    this.#starting = true;
    setImmediate(() => {
      this.#starting = false;
      if (!this.#sorted) this.#queue.sort(lessUrgent);
      this.#sorted = true;
      for (; this.#freeWriters > 0 && this.#queue.length > 0; this.#freeWriters--) this.#queue.pop()!.started.resolve();
    });
  }

  async #expectReferences(info: PathInfo, known: ReadonlyMap<StorePath, Promise<boolean>>): Promise<void> {
    for (const reference of info.references) {
      if (reference === info.path) continue;
      if (await (known.get(reference) ?? this.#isThere(reference))) continue;
      throw new NarrowError('refused', `${info.path} refers to ${reference}, which is not in the destination`, {
        hint: 'copy its closure, or that path first',
        data: { path: info.path, reference },
      });
    }
  }

  #isThere(path: StorePath): Promise<boolean> {
    let there = this.#others.get(path);
    if (!there) this.#others.set(path, (there = this.#asking.run(() => this.#steps.has(path))));
    return there;
  }
}

/** Puts large NARs, the largest of all, behind the others, and of those the first that came last. */
function lessUrgent(a: Job, b: Job): number {
  const [sizeA, sizeB] = [a.item.info.narSize, b.item.info.narSize];
  if (sizeA >= large || sizeB >= large) return sizeA - sizeB;
  return b.number - a.number;
}

function failed({ path }: PathInfo, cause: unknown): Outcome {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const code = error instanceof NarrowError ? error.code : undefined;
  const status = code === 'differs' || code === 'refused' ? code : 'failed';
  return { status, path, bytes: 0, error };
}
