// Adds over the serve protocol, by as many sessions as their bytes are worth. What it cannot carry is refused by name.

import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import type { ServeClient } from '../../protocol/serve/client.ts';
import type { AddOptions, Item, Outcome } from '../store.ts';
import { isFixedOutput } from '../trust.ts';
import { batchesOf } from './batches.ts';
import { bulkItems, outcomeOfKnown } from './bulk.ts';
import { Dispatcher } from './dispatcher.ts';
import { ServeLane } from './serve-lane.ts';

export interface ServePlace {
  readonly url: string;
  readonly storeDir: StoreDir;
  /** The session that asked, then further ones; each is a new one after the last has ended. */
  readonly sessions: (() => ServeClient)[];
  /** Paths that were not there when it was checked. */
  readonly missing: ReadonlySet<StorePath>;
  readonly infos: (paths: readonly StorePath[]) => Promise<readonly PathInfo[]>;
  readonly warn: (text: string) => void;
}

/** Adds items, references first. Throws when the host cannot be reached any more. */
export async function addOverServe(
  place: ServePlace,
  items: AsyncIterable<Item>,
  options: AddOptions,
  tell: (outcome: Outcome) => void,
): Promise<void> {
  const { url, sessions } = place;
  const refuse = realisationsRefused(place);
  let lanes = 0;
  const dispatcher = new Dispatcher({
    ...options,
    maxLanes: sessions.length,
    openLane: (events) => new ServeLane({ url, session: sessions[lanes++]!, signal: options.signal }, events),
    refuse,
    tell,
  });
  for await (const batch of batchesOf(items, bulkItems)) {
    const known = await knownOf(place, batch);
    const missing: Item[] = [];
    for (const item of batch) {
      const outcome = outcomeOfKnown(known.get(item.info.path), item.info);
      if (!outcome) missing.push(item);
      else if ('error' in outcome) dispatcher.fail(item, outcome.error, outcome);
      else {
        // realisations that cannot be sent are a reason to fail all the same
        const error = refuse(item);
        if (error) dispatcher.fail(item, error);
        else tell(outcome);
      }
    }
    await dispatcher.add(missing);
  }
  await dispatcher.settle();
}

async function knownOf(place: ServePlace, items: readonly Item[]): Promise<ReadonlyMap<StorePath, PathInfo>> {
  const unasked = items.map((item) => item.info.path).filter((path) => !place.missing.has(path));
  // asked while earlier items are on their way: those are another's answer
  return new Map(unasked.length === 0 ? [] : (await place.infos(unasked)).map((info) => [info.path, info]));
}

/** Realisations cannot be sent: what needs them is refused, for the others a warning will do. That of a fixed output says nothing new. */
function realisationsRefused({ url, storeDir, warn }: ServePlace): (item: Item) => Error | undefined {
  let warned = false;
  return ({ info, realisations = [] }) => {
    if (realisations.every((one) => isFixedOutput(storeDir, info, one))) return undefined;
    if (info.ca) {
      const why = `${url} cannot be told the realisations of ${info.path}, the output of a content-addressed derivation`;
      return new NarrowError('refused', why, { hint: 'use ssh-ng://' });
    }
    if (!warned) warn(`${url} cannot be told realisations, such as that of ${info.path}; ssh-ng:// could`);
    warned = true;
    return undefined;
  };
}
