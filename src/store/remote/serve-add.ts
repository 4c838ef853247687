// Adds over the serve protocol, by as many sessions as their bytes are worth. What it cannot carry is refused by name.

import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { Realisation } from '../../model/realisation.ts';
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

/** Realisations cannot be sent: what needs them is refused, for the others a warning will do. */
function realisationsRefused(place: ServePlace): (item: Item) => Error | undefined {
  const { url, warn } = place;
  let warned = false;
  return ({ info, realisations = [] }) => {
    if (info.ca) return realisationsRefusal(place, info, realisations);
    if (!warned && realisations.length > 0)
      warn(`${url} cannot be told realisations, such as that of ${info.path}; ssh-ng:// could`);
    warned ||= realisations.length > 0;
    return undefined;
  };
}

/** Why the output cannot go without its realisations, or undefined when it can. That of a fixed output says nothing new. */
export function realisationsRefusal(
  { url, storeDir }: Pick<ServePlace, 'url' | 'storeDir'>,
  info: PathInfo,
  realisations: readonly Realisation[],
): NarrowError | undefined {
  if (!info.ca || realisations.every((one) => isFixedOutput(storeDir, info, one))) return undefined;
  const why = `${info.path} is the output of a content-addressed derivation, and ${url} cannot be told its realisations`;
  return new NarrowError('refused', why, { hint: 'use ssh-ng://' });
}
