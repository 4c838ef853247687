// A bounded number of things at once.

/** Runs `work` on each item, at most `limit` at a time; results in the order they come. The first failure ends it. */
export async function* concurrently<T, R>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const running = new Map<number, Promise<{ key: number; result: R }>>();
  let next = 0;
  try {
    for (const item of items) {
      const key = next++;
      running.set(
        key,
        work(item).then((result) => ({ key, result })),
      );
      if (running.size >= limit) yield await settle(running);
    }
    while (running.size > 0) yield await settle(running);
  } finally {
    await Promise.allSettled(running.values());
  }
}

async function settle<R>(running: Map<number, Promise<{ key: number; result: R }>>): Promise<R> {
  const { key, result } = await Promise.race(running.values());
  running.delete(key);
  return result;
}
