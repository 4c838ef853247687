// Adding what is missing, and a second try for what came out wrong because a base was damaged: such a path is fetched
// whole, and those that waited for it are tried again.

import type { PathInfo } from '../model/path-info.ts';
import { isNarrowError } from '../errors.ts';
import type { AddOptions, Item, Outcome, Store, WritableStore } from '../store/store.ts';
import { isDeltaSource } from '../store/store.ts';
import type { OnEvent } from './events.ts';

export interface Adding {
  readonly source: Store;
  readonly destination: WritableStore;
  readonly missing: readonly PathInfo[];
  /** The items of these of the missing paths, references first. */
  readonly items: (missing: readonly PathInfo[]) => Promise<AsyncIterable<Item>>;
  readonly add: AddOptions;
  readonly onEvent?: OnEvent | undefined;
}

/** Tells of each path what became of it in the end. */
export async function* addMissing(adding: Adding): AsyncGenerator<Outcome, void, undefined> {
  const { source, destination, missing, items, add, onEvent } = adding;
  const failed = new Map<string, Outcome>();
  for await (const outcome of destination.add(await items(missing), add)) {
    const unfit = outcome.status === 'failed' || outcome.status === 'refused';
    if (isDeltaSource(source) && unfit) failed.set(outcome.path, outcome);
    else yield outcome;
  }
  const wrong = missing.filter(({ path }) => isSpoiled(failed.get(path)));
  const spoiled = isDeltaSource(source) && wrong.length > 0 ? source.distrust(wrong) : [];
  if (spoiled.length === 0) return yield* failed.values();
  for (const { path } of spoiled) {
    const outcome = failed.get(path)!;
    const why = 'error' in outcome ? outcome.error.message : '';
    onEvent?.({ type: 'warning', text: `${path} could not be rebuilt and is fetched whole: ${why}` });
  }
  yield* destination.add(await items(missing.filter(({ path }) => failed.has(path))), add);
}

/** What came out was wrong, or could not be made; other failures would only repeat themselves. */
function isSpoiled(outcome: Outcome | undefined): boolean {
  return (
    outcome?.status === 'failed' &&
    (isNarrowError(outcome.error, 'integrity') || isNarrowError(outcome.error, 'format'))
  );
}
