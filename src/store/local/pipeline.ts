// Runs items through an Adder: a bounded number at once, outcomes as they come, nothing left behind when the caller stops.

import type { Item, Outcome } from '../store.ts';
import type { Adder } from './add.ts';
import { heldPaths } from './add.ts';

/**
 * Adds all `items` (references first). Leaving the loop early, or an abort (`signal`, which `abort` triggers too), ends what
 * runs and takes it back.
 */
export async function* runPipelines(
  adder: Adder,
  items: AsyncIterable<Item>,
  abort: AbortController,
  signal: AbortSignal,
): AsyncGenerator<Outcome, void, undefined> {
  const outcomes: Outcome[] = [];
  const pulse = new Pulse();
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown): void => {
    failure ??= { error };
    abort.abort(error);
  };
  const feeding = feed(adder, items, signal, (outcome) => {
    outcomes.push(outcome);
    pulse.beat();
  })
    .catch(fail)
    .finally(() => {
      ended = true;
      pulse.beat();
    });
  try {
    for (;;) {
      yield* outcomes.splice(0);
      if (ended && outcomes.length === 0) break;
      if (outcomes.length === 0) await pulse.next();
    }
    if (failure) throw failure.error;
  } finally {
    abort.abort();
    await feeding;
    await adder[Symbol.asyncDispose]();
  }
}

async function feed(
  adder: Adder,
  items: AsyncIterable<Item>,
  signal: AbortSignal,
  tell: (outcome: Outcome) => void,
): Promise<void> {
  const pulse = new Pulse();
  const running = new Set<Promise<void>>();
  const most = heldPaths();
  let unpacking = 0;
  let failure: { readonly error: unknown } | undefined;
  const start = (item: Item): void => {
    unpacking++;
    const unpacked = once(() => {
      unpacking--;
      pulse.beat();
    });
    const one = adder
      .add(item, unpacked)
      .then(tell, (error: unknown) => void (failure ??= { error }))
      .finally(() => {
        running.delete(one);
        unpacked();
        pulse.beat();
      });
    running.add(one);
  };
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (let item = await nextOf(iterator, signal); item; item = await nextOf(iterator, signal)) {
      start(item);
      while (!failure && !signal.aborted && (unpacking >= adder.pipelines || running.size >= most)) await pulse.next();
      if (failure) break;
      signal.throwIfAborted();
    }
  } finally {
    await Promise.all(running);
    // Not awaited: after an abort the source may never answer.
    iterator.return?.()?.catch(() => {});
  }
  if (failure) throw failure.error;
}

/** The next item; undefined at the end. An abort does not wait for a source that is still thinking. */
async function nextOf(items: AsyncIterator<Item>, signal: AbortSignal): Promise<Item | undefined> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener('abort', abort);
  try {
    const next = await Promise.race([items.next(), promise]);
    return next.done ? undefined : next.value;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function once(call: () => void): () => void {
  let called = false;
  return () => {
    if (!called) call();
    called = true;
  };
}

/** Wakes one waiter; a beat without a waiter is kept. */
class Pulse {
  #resolve: (() => void) | undefined;
  #beaten = false;

  beat(): void {
    this.#beaten = true;
    this.#resolve?.();
  }

  async next(): Promise<void> {
    if (!this.#beaten) await new Promise<void>((resolve) => (this.#resolve = resolve));
    this.#resolve = undefined;
    this.#beaten = false;
  }
}
