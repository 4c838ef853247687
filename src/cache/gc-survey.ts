// What a collection finds: all that the cache has, what keeps which of it, and so what goes.

import { hashPart } from '../model/store-path.ts';
import type { StorePath } from '../model/store-path.ts';
import { NarrowError } from '../errors.ts';
import type { CacheStore } from '../store/cache/cache-store.ts';
import type { FileOptions, ListedCacheFile } from '../store/cache/files.ts';
import { readLeases } from '../store/cache/leases.ts';
import type { Leases } from '../store/cache/leases.ts';
import { fateOf, findDeltas, originsOf } from './deltas/survey.ts';
import type { DeltaFate, FoundDeltas } from './deltas/survey.ts';
import { planCollection, planRemoval } from './gc-plan.ts';
import type { GcPlan, Kept as KeptRows } from './gc-plan.ts';
import { takeInventory } from './inventory.ts';
import type { Inventory } from './inventory.ts';
import { uselessLogs } from './logs.ts';
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
  /** Damage that is to go, with all that needs it, whatever keeps it: then nothing else of use goes. */
  readonly doomed?: Doomed | undefined;
  readonly logged?: LoggedUses | undefined;
  readonly accessTimes?: boolean | undefined;
  readonly onPhase?: ((text: string) => void) | undefined;
}

export interface Doomed {
  /** Hash parts. */
  readonly parts: ReadonlySet<string>;
  /** Narinfos that cannot be read, and records: what needs them is among the parts. */
  readonly files: readonly string[];
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
  /** NARs without narinfo, logs without paths, unfinished and damaged files that go. */
  readonly strays: readonly ListedCacheFile[];
  /** What becomes of deltas. Beside a push they stay as NARs do. */
  readonly deltas: DeltaFate;
  /** NARs stay this time, since somebody is pushing who may be about to name them. */
  readonly narsStay: boolean;
}

/** `now`: by the place's clock, milliseconds since 1970. Throws `format` when a record of what to keep cannot be read. */
export async function survey(request: GcRequest, now: number): Promise<Survey> {
  const { store, grace, olderThan, keepGenerations, doomed, onPhase } = request;
  // before the listing: who leases later waits for us
  const leases = await readLeases(store.files, now, grace, request);
  const roots = await readRoots(store, request);
  if (doomed) expectQuiet(leases, store.files.url);
  else expectReadable(roots, store.files.url);
  onPhase?.('listing the cache');
  const inventory = await takeInventory(store, {
    ...request,
    onRead: (count, of) => count % 1000 === 0 && onPhase?.(`reading narinfos, ${count} of ${of}`),
  });
  const found = await findDeltas(store, inventory.others, request);
  const uses = lastUses(inventory, { ...request, roots });
  const unusedSince = olderThan === undefined ? undefined : now - olderThan;
  const plan = doomed
    ? planRemoval(inventory, rowsOf(inventory, doomed.parts))
    : planCollection(inventory, keptRows(request, { inventory, roots, leases, found, now }), uses, {
        ...request,
        unusedSince,
      });
  const narsStay = leases.live > 0;
  const old = (file: ListedCacheFile): boolean => file.modified <= now - grace;
  const unnamed = narsStay
    ? []
    : [...straysOf(inventory), ...(await uselessLogs(store, inventory, plan.goes, request))];
  const strays = unnamed.filter(old);
  const keep = doomed ? Infinity : keepGenerations;
  const records = recordsOf(roots, { ...request, inventory, plan, keepGenerations: keep, unusedSince });
  const stays = endsThatStay(roots, { inventory, plan, records });
  const deltas = narsStay ? { changed: [], gone: [] } : fateOf(found, stays, now - grace);
  return { inventory, roots, leases, uses, plan, records, strays, deltas, narsStay };
}

/** A path stays that has its narinfo, or that a record names which stays: it may be there as a delta alone. */
function endsThatStay(
  { pins, names }: Roots,
  { inventory, plan, records }: Pick<Survey, 'inventory' | 'plan' | 'records'>,
): (path: StorePath) => boolean {
  const gone = new Set(records);
  const left = [...pins, ...[...names.values()].flat()].filter(({ reference }) => !gone.has(reference));
  const named = new Set(left.flatMap(({ paths }) => paths));
  return (path) => {
    const row = inventory.rowOf.get(hashPart(path));
    return row === undefined ? named.has(path) : plan.goes[row] === 0;
  };
}

function rowsOf({ rowOf }: Inventory, parts: Iterable<string>): number[] {
  return Array.from(parts, (part) => rowOf.get(part)).filter((row) => row !== undefined);
}

interface Holding extends Pick<Survey, 'inventory' | 'roots' | 'leases'> {
  readonly found: FoundDeltas;
  readonly now: number;
}

function keptRows({ keepGenerations, grace }: GcRequest, { inventory, roots, leases, found, now }: Holding): KeptRows {
  const kept = [...roots.pins, ...newest(roots, keepGenerations)].flatMap((record) => record.paths);
  const bare = new Set(kept.filter((path) => !inventory.rowOf.has(hashPart(path))));
  // what is there as deltas alone is worth nothing without what these are from
  const paths = [...kept, ...originsOf(found, bare)];
  const young = inventory.narinfos.flatMap((file, row) => (file.modified > now - grace ? [row] : []));
  return { roots: rowsOf(inventory, paths.map(hashPart)), held: [...rowsOf(inventory, leases.held), ...young] };
}

/** What a running push relies on cannot be taken from under it. */
function expectQuiet({ live }: Leases, url: string): void {
  if (live === 0) return;
  throw new NarrowError('unavailable', `somebody is pushing to ${url}: what is damaged cannot be removed meanwhile`, {
    hint: 'run it again afterwards',
  });
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
  readonly maxSize?: number | undefined;
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
