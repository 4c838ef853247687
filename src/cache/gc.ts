// Collecting: what goes is removed so that at each moment every narinfo has its NAR and everything that it refers to. Records
// first, then narinfos from the top down, then what belonged to them, NARs last. Kill it anywhere: what is left over
// is found by the next run. docs/decisions/cache-gc.md tells why it is safe beside pushes.

import { NarrowError, isNarrowError } from '../errors.ts';
import { hashPart } from '../model/store-path.ts';
import { parseRealisation, parseRealisationFileName, realisationDirs } from '../format/realisation-json.ts';
import { Claim, isLive, readClaim } from '../store/cache/claim.ts';
import { mediaTypes } from '../store/cache/files.ts';
import { collectorMark, collectorSilence, leaseDirectory } from '../store/cache/leases.ts';
import { forgetPaths } from '../store/cache/path-segments.ts';
import { writeDeltaList } from '../store/cache/delta-list.ts';
import { forEachAtOnce } from '../store/cache/slots.ts';
import { survey } from './gc-survey.ts';
import type { GcRequest, Survey } from './gc-survey.ts';
import { pointToGeneration } from './generations.ts';
import { formatIndex } from './index-file.ts';
import { narReference, narinfoPart, readRow } from './inventory.ts';
import { indexName } from './layout.ts';
import { cannotList } from './roots.ts';

const maxSmall = 1 << 20;

export interface GcResult extends Survey {
  /** Bytes of all that goes, or went. */
  readonly bytes: number;
  /** Files that go, or went. */
  readonly files: number;
}

/** What would go. Writes nothing. */
export async function planGc(request: GcRequest): Promise<GcResult> {
  return totals(await survey(request, Date.now()));
}

/** Removes what goes. Throws `unavailable` while another collector runs. */
export async function runGc(request: GcRequest): Promise<GcResult> {
  const { files } = request.store;
  if (!files.list(leaseDirectory, request)) throw cannotList(files.url);
  await using mark = await takeMark(request);
  const now = (await files.stat(mark.reference, request))?.modified ?? Date.now();
  const found = await survey(request, now);
  const sweep = new Sweep(request, mark);
  request.onPhase?.('removing');
  await pointToNewest(request, found);
  await sweep.all([...found.records, ...found.leases.dead]);
  await sweep.all(await realisationsOf(request, found));
  const gone = goneParts(found);
  if (gone.size > 0) await forgetPaths(files, request.store.storeDir, gone, request);
  for (const step of found.plan.steps) await sweep.all(step.map((row) => found.inventory.narinfos[row]!.reference));
  await sweep.all(request.doomed?.files ?? []);
  await sweep.all(listingsOf(found));
  for (const { reference, deltas } of found.deltas.changed)
    await writeDeltaList(request.store, reference, deltas, request);
  await sweep.all(found.deltas.gone.map((file) => file.reference));
  if (!found.narsStay) await sweepNars(request, found, sweep);
  await sweep.all(found.strays.filter(({ reference }) => !reference.startsWith('nar/')).map((f) => f.reference));
  await writeIndex(request, found, now);
  return totals(found);
}

/** The mark that makes pushes wait. Two collectors would do no harm, but each would wonder where its bytes went. */
async function takeMark({ store: { files }, signal }: GcRequest): Promise<Claim> {
  for (;;) {
    const mark = await Claim.makeNew(files, collectorMark, { signal });
    if (mark) return mark;
    const other = await readClaim(files, collectorMark, { signal });
    if (!other) continue;
    if (isLive(other, await placeClock(files, signal), collectorSilence)) {
      const who = other.mark ? `on ${other.mark.host}, process ${other.mark.pid}` : 'by another process';
      throw new NarrowError('unavailable', `${files.url} is being collected already, ${who}`, {
        hint: 'wait for its end; one that was killed on another machine counts as dead after five minutes',
      });
    }
    await files.remove(collectorMark, { signal });
  }
}

/** What time it is there. */
async function placeClock(files: GcRequest['store']['files'], signal: AbortSignal | undefined): Promise<number> {
  const reference = `narrow/clock-${process.pid}`;
  await files.write(reference, Buffer.from('\n'), mediaTypes.text, { signal });
  const time = (await files.stat(reference, { signal }))?.modified ?? Date.now();
  await files.remove(reference, { signal });
  return time;
}

/** No `latest` is left to be of a generation that goes. */
async function pointToNewest(request: GcRequest, { roots, records }: Survey): Promise<void> {
  const gone = new Set(records);
  for (const generations of roots.names.values()) {
    const newest = generations.find(({ reference }) => !gone.has(reference));
    const fewer = generations.some(({ reference }) => gone.has(reference));
    if (newest && fewer) await pointToGeneration(request.store, newest, request);
  }
}

/** Removes files while the mark lives. */
class Sweep {
  readonly #request: GcRequest;
  readonly #mark: Claim;

  constructor(request: GcRequest, mark: Claim) {
    this.#request = request;
    this.#mark = mark;
  }

  async all(references: Iterable<string>): Promise<void> {
    const { store, signal } = this.#request;
    await forEachAtOnce(references, store.files.concurrency, async (reference) => {
      signal?.throwIfAborted();
      if (this.#mark.lost) {
        throw new NarrowError('unavailable', 'this process stood still for so long that others may be pushing again', {
          hint: 'run it again; what was removed is whole',
        });
      }
      await store.files.remove(reference, { signal });
    });
  }
}

/** NARs of what went, and those that nothing named, unless a narinfo that was written meanwhile names them. */
async function sweepNars(request: GcRequest, found: Survey, sweep: Sweep): Promise<void> {
  const { inventory, plan, strays } = found;
  const named = await namedMeanwhile(request, found);
  const references = [
    ...plan.nars.flatMap((nar) => inventory.nars[nar]!.file?.reference ?? []),
    ...strays.map((file) => file.reference).filter((reference) => reference.startsWith('nar/')),
  ].filter((reference) => !named.has(reference));
  await sweep.all(await debugInfoOf(request, found, new Set(references)));
  await sweep.all(references);
}

/** NARs of narinfos that were not there, or other ones, when the cache was listed: Nix may be copying into it, without a lease. */
async function namedMeanwhile(request: GcRequest, { inventory }: Survey): Promise<Set<string>> {
  const { store } = request;
  const named = new Set<string>();
  const known = new Set(inventory.narinfos.map((file) => `${file.reference} ${file.version}`));
  for await (const file of store.files.listAll(request) ?? []) {
    const part = narinfoPart(file.reference);
    if (part === undefined || known.has(`${file.reference} ${file.version}`)) continue;
    const row = await readRow(store, part, file, request);
    if (typeof row === 'object') named.add(narReference(row.url));
  }
  return named;
}

function goneParts({ inventory, plan }: Survey): Set<string> {
  return new Set(plan.steps.flat().map((row) => hashPart(inventory.rows[row]!.path)));
}

/** A realisation without its path would make Nix ask for what is not there. */
async function realisationsOf(request: GcRequest, found: Survey): Promise<string[]> {
  const { files } = request.store;
  const gone = goneParts(found);
  const directories = Object.values(realisationDirs);
  const result: string[] = [];
  for (const { reference } of found.inventory.others) {
    if (gone.size === 0 || !directories.some((directory) => reference.startsWith(`${directory}/`))) continue;
    const bytes = await files.read(reference, maxSmall, request);
    if (!bytes) continue;
    try {
      const key = parseRealisationFileName(decodeURIComponent(reference));
      if (gone.has(hashPart(parseRealisation(bytes, key, { source: reference }).outPath))) result.push(reference);
    } catch (error) {
      if (!isNarrowError(error, 'format')) throw error;
    }
  }
  return result;
}

function listingsOf(found: Survey): string[] {
  const gone = goneParts(found);
  return found.inventory.others
    .map((file) => file.reference)
    .filter((reference) => reference.endsWith('.ls') && gone.has(reference.slice(0, -3)));
}

/** `debuginfo/<id>.debug` names the NAR that has it. */
async function debugInfoOf(request: GcRequest, { inventory }: Survey, nars: ReadonlySet<string>): Promise<string[]> {
  const result: string[] = [];
  for (const { reference } of inventory.others) {
    if (nars.size === 0 || !reference.startsWith('debuginfo/')) continue;
    const text = (await request.store.files.read(reference, maxSmall, request))?.toString('utf8');
    const archive = /"archive"\s*:\s*"\.\.\/([^"]+)"/.exec(text ?? '')?.[1];
    if (archive !== undefined && nars.has(narReference(archive))) result.push(reference);
  }
  return result;
}

/** The next run reads only what is new. */
async function writeIndex(request: GcRequest, { inventory, plan }: Survey, now: number): Promise<void> {
  if (inventory.read === 0 && plan.steps.length === 0) return;
  // what was just written may be written once more within the same tick of a coarse clock
  const settled = now - 10_000;
  const rows = inventory.rows.filter((_, row) => !plan.goes[row] && inventory.narinfos[row]!.modified < settled);
  await request.store.files.write(indexName, formatIndex(rows), mediaTypes.binary, request);
}

function totals(found: Survey): GcResult {
  const { plan, strays, inventory, narsStay } = found;
  const nars = narsStay ? [] : plan.nars;
  const kept = narsStay ? plan.nars.reduce((sum, nar) => sum + (inventory.nars[nar]!.file?.size ?? 0), 0) : 0;
  const listings = new Set(listingsOf(found));
  const others = inventory.others.filter((file) => listings.has(file.reference));
  const extra = [...strays, ...others, ...found.deltas.gone];
  const bytes = plan.bytes - kept + extra.reduce((sum, file) => sum + file.size, 0);
  const rows = plan.steps.reduce((sum, step) => sum + step.length, 0);
  return { ...found, bytes, files: rows + nars.length + extra.length + found.records.length };
}
