// Items in batches: as many as are there without waiting.

import type { Item } from '../store.ts';

/** How long to wait for one more item, in milliseconds: those that come from a file that is being read take longer. */
const patience = 5;

/**
 * Yields items in batches of at most `limit`. A source that gives its next item only when the last is taken gives batches
 * of one.
 */
export async function* batchesOf(items: AsyncIterable<Item>, limit: number): AsyncGenerator<Item[], void, undefined> {
  const iterator = items[Symbol.asyncIterator]();
  let next = iterator.next();
  next.catch(() => {});
  try {
    for (;;) {
      const first = await next;
      if (first.done === true) return;
      const batch = [first.value];
      next = iterator.next();
      next.catch(() => {});
      for (let more = await soon(next); more && batch.length < limit; more = await soon(next)) {
        if (more.done === true) break;
        batch.push(more.value);
        next = iterator.next();
        next.catch(() => {});
        if (batch.length === limit) break;
      }
      yield batch;
    }
  } finally {
    await iterator.return?.();
  }
}

async function soon<T>(promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), patience)));
  try {
    return await Promise.race([promise.catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}
