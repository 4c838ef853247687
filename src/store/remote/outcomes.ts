// Outcomes that come from elsewhere, as one asynchronous sequence: what runs tells, whoever iterates hears.

import type { Outcome } from '../store.ts';

/** Yields what `run` tells until it is through; throws what it throws. Leaving early aborts it and waits. */
export async function* outcomesOf(
  run: (tell: (outcome: Outcome) => void, signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): AsyncGenerator<Outcome, void, undefined> {
  const abort = new AbortController();
  const told: Outcome[] = [];
  let wake = Promise.withResolvers<void>();
  let state: { readonly error?: unknown } | undefined;
  const tell = (outcome: Outcome): void => {
    told.push(outcome);
    wake.resolve();
  };
  const running = run(tell, signal ? AbortSignal.any([signal, abort.signal]) : abort.signal).then(
    () => void (state = {}),
    (error: unknown) => void (state = { error }),
  );
  void running.then(() => wake.resolve());
  try {
    for (;;) {
      yield* told.splice(0);
      if (state && told.length === 0) break;
      await wake.promise;
      wake = Promise.withResolvers();
    }
  } finally {
    if (!state) abort.abort();
    await running;
  }
  if (state && 'error' in state) throw state.error;
}

/** What is told of a path that was never tried because of another. */
export function because(path: string, what: string): string {
  return `${path} was not sent: ${what}`;
}
