// Which of the deltas of a static cache a destination can use: one from a generation whose closure it has just as it was
// when the delta was made; else one of whose bases it has most.

import { walkClosure } from '../../closure/walk.ts';
import { BaseClosure, inventoryColumns, readInventory } from '../../delta/base-closure.ts';
import { formatError } from '../../errors.ts';
import type { StorePath } from '../../model/store-path.ts';
import { isBase } from '../bundle/bases.ts';
import { unpackColumns } from '../narrow/packed-columns.ts';
import type { QueryOptions, Store } from '../store.ts';
import type { CacheStore } from './cache-store.ts';
import { basesReference, readDeltaList } from './delta-list.ts';
import type { ListedDelta } from './delta-list.ts';

export interface ChosenDelta {
  readonly delta: ListedDelta;
  /** What it is told by. */
  readonly base: BaseClosure;
  /** How many of these paths the destination has. */
  readonly bases: number;
}

/** What was found of deltas that lead to some paths. */
export interface DeltaChoice {
  readonly listed: readonly ListedDelta[];
  readonly chosen: ChosenDelta | undefined;
}

/** Paths whose lists are looked at, and closures that are walked. */
const most = { roots: 4, closures: 4 };
/** Of the NARs of a base closure, by size: with less most would come whole, and the list costs more than it spares. */
const leastShare = 0.5;
const maxBases = 64 * 2 ** 20;

/** Throws `format` for files that are not what they should be. */
export async function chooseDelta(
  cache: CacheStore,
  destination: Store,
  roots: readonly StorePath[],
  options: QueryOptions = {},
): Promise<DeltaChoice> {
  const there = await destination.pathInfos(roots, options);
  const listed: ListedDelta[] = [];
  for (const root of roots.filter((path) => !there.has(path)).slice(0, most.roots)) {
    if (listed.some(({ to }) => to.includes(root))) continue;
    listed.push(...(await readDeltaList(cache, root, options)));
  }
  if (listed.length === 0) return { listed, chosen: undefined };
  listed.sort((a, b) => a.fileSize - b.fileSize);
  const whole = await withWholeBase(listed, destination, options);
  return { listed, chosen: whole ?? (await withPartOfBase(cache, listed, destination, options)) };
}

async function withWholeBase(
  listed: readonly ListedDelta[],
  destination: Store,
  options: QueryOptions,
): Promise<ChosenDelta | undefined> {
  const known = await destination.pathInfos(new Set(listed.flatMap(({ from }) => from)), options);
  const possible = listed.filter(({ from }) => from.every((path) => known.has(path)));
  for (const delta of possible.slice(0, most.closures)) {
    const { infos } = await walkClosure((paths) => destination.pathInfos(paths, options), delta.from);
    const base = new BaseClosure(infos.values());
    if (digestOf(base) === delta.base) return { delta, base, bases: base.infos.length };
  }
  return undefined;
}

/** Only of the smallest delta: each such question costs some 30 bytes a path. */
async function withPartOfBase(
  cache: CacheStore,
  [delta]: readonly ListedDelta[],
  destination: Store,
  options: QueryOptions,
): Promise<ChosenDelta | undefined> {
  const reference = basesReference(delta!.base);
  const bytes = await cache.files.read(reference, maxBases, options);
  if (!bytes) return undefined;
  const source = `${cache.url}/${reference}`;
  const base = readInventory(unpackColumns(bytes, inventoryColumns, source));
  if (digestOf(base) !== delta!.base)
    throw formatError('a list of bases that is another', { source }, { expected: delta!.base, got: digestOf(base) });
  const infos = await destination.pathInfos(
    base.infos.map(({ path }) => path),
    options,
  );
  const here = base.infos.filter((info) => infos.has(info.path) && isBase(info, infos.get(info.path)!));
  const sum = (list: BaseClosure['infos']): number => list.reduce((total, { narSize }) => total + narSize, 0);
  if (sum(here) < leastShare * sum(base.infos)) return undefined;
  return { delta: delta!, base, bases: here.length };
}

export function digestOf(base: BaseClosure): string {
  return Buffer.from(base.digest()).toString('hex');
}
