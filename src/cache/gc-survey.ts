// What a collection finds: all that the cache has, what keeps which of it, and so what goes.

import { hashPart } from '../model/store-path.ts';
import type { StorePath } from '../model/store-path.ts';
import { NarrowError } from '../errors.ts';
import type { CacheStore } from '../store/cache/cache-store.ts';
import type { FileOptions, ListedCacheFile } from '../store/cache/files.ts';
import { readLeases } from '../store/cache/leases.ts';
import type { Leases } from '../store/cache/leases.ts';
import { planCollection } from './gc-plan.ts';
import type { GcPlan } from './gc-plan.ts';
import { takeInventory } from './inventory.ts';
import type { Inventory } from './inventory.ts';
import { readRoots } from './roots.ts';
import type { Roots } from './roots.ts';
import { lastUses } from './uses.ts';
import type { LoggedUses } from './uses.ts';

export interface GcRequest extends FileOptions {
  readonly store: Pick<CacheStore, 'files' | 'storeDir'>;
  /** Generations of each name that are kept, at least one. */
  readonly keepGenerations: number;
  /** What was not used for so many milliseconds goes. */
  readonly olderThan?: number | undefined;
  /** Bytes that the cache may fill. */
  readonly maxSize?: number | undefined;
  /** What was written in the last so many milliseconds stays: somebody without a lease may be pushing. */
  readonly grace: number;
  readonly logged?: LoggedUses | undefined;
  readonly accessTimes?: boolean | undefined;
  readonly onPhase?: ((text: string) => void) | undefined;
}

export interface Survey {
  readonly inventory: Inventory;
  readonly roots: Roots;
  readonly leases: Leases;
  /** By row, milliseconds since 1970. */
  readonly uses: Float64Array;
  readonly plan: GcPlan;
  /** Generations and notes of pushes that go: they name what goes, or are as old. */
  readonly records: readonly string[];
  /** NARs without narinfo and unfinished files that go. */
  readonly strays: readonly ListedCacheFile[];
  /** NARs stay this time, since somebody is pushing who may be about to name them. */
  readonly narsStay: boolean;
}

/** `now`: by the place's clock, milliseconds since 1970. Throws `format` when a record of what to keep cannot be read. */
export async function survey(request: GcRequest, now: number): Promise<Survey> {
  const { store, grace, olderThan, maxSize, keepGenerations, onPhase } = request;
  // before the listing: who leases later waits for us
  const leases = await readLeases(store.files, now, grace, request);
  const roots = await readRoots(store, request);
  expectReadable(roots, store.files.url);
  onPhase?.('listing the cache');
  const inventory = await takeInventory(store, {
    ...request,
    onRead: (count, of) => count % 1000 === 0 && onPhase?.(`reading narinfos, ${count} of ${of}`),
  });
  const rowsOf = (paths: Iterable<StorePath>): number[] =>
    Array.from(paths, (path) => inventory.rowOf.get(hashPart(path))).filter((row) => row !== undefined);
  const unusedSince = olderThan === undefined ? undefined : now - olderThan;
  const kept = {
    roots: rowsOf([...roots.pins, ...newest(roots, keepGenerations)].flatMap(({ paths }) => paths)),
    held: [
      ...[...leases.held].flatMap((part) => inventory.rowOf.get(part) ?? []),
      ...inventory.narinfos.flatMap((file, row) => (file.modified > now - grace ? [row] : [])),
    ],
  };
  const uses = lastUses(inventory, { ...request, roots });
  const plan = planCollection(inventory, kept, uses, { unusedSince, maxSize });
  const narsStay = leases.live > 0;
  const old = (file: ListedCacheFile): boolean => file.modified <= now - grace;
  const strays = narsStay ? [] : straysOf(inventory).filter(old);
  const records = recordsOf(roots, { inventory, plan, keepGenerations, unusedSince, maxSize });
  return { inventory, roots, leases, uses, plan, records, strays, narsStay };
}

function newest({ names }: Roots, count: number): Roots['pins'] {
  return [...names.values()].flatMap((generations) => generations.slice(0, count));
}

function expectReadable({ damaged }: Roots, url: string): void {
  const [first] = damaged;
  if (!first) return;
  throw new NarrowError(
    'format',
    `${url}/${first.reference} cannot be read, so what it keeps is not known: ${first.message}`,
    {
      hint: 'nothing was removed; mend that file or remove it',
    },
  );
}

/** An unfinished file: of a writer that was killed, if it is old. */
function isUnfinished(reference: string): boolean {
  return /\.tmp\.[0-9]+\.[0-9]+$/.test(reference);
}

/** What cannot be read may name any NAR: then none of them is without narinfo. */
function straysOf({ orphans, others, damaged, rowOf }: Inventory): ListedCacheFile[] {
  const bare = damaged.length > 0 ? orphans.filter((file) => isUnfinished(file.reference)) : orphans;
  const rest = others.filter(({ reference }) => {
    const listing = /^([^/]{32})\.ls$/.exec(reference)?.[1];
    return isUnfinished(reference) || (listing !== undefined && damaged.length === 0 && !rowOf.has(listing));
  });
  return [...bare, ...rest];
}

interface Fate {
  readonly inventory: Inventory;
  readonly plan: GcPlan;
  readonly keepGenerations: number;
  readonly unusedSince: number | undefined;
  readonly maxSize: number | undefined;
}

function recordsOf({ names, pushes }: Roots, fate: Fate): string[] {
  const { inventory, plan, keepGenerations, unusedSince, maxSize } = fate;
  const byRootsAlone = unusedSince === undefined && maxSize === undefined;
  const goes = (paths: readonly StorePath[]): boolean =>
    paths.some((path) => plan.goes[inventory.rowOf.get(hashPart(path)) ?? -1] === 1);
  const older = [...names.values()].flatMap((generations) => generations.slice(keepGenerations));
  const isOld = (written: number): boolean => byRootsAlone || (unusedSince !== undefined && written < unusedSince);
  return [
    ...older.filter(({ paths, written }) => isOld(written) || goes(paths)),
    ...pushes.filter(({ paths, written }) => (isOld(written) && !byRootsAlone) || goes(paths)),
  ].map(({ reference }) => reference);
}
