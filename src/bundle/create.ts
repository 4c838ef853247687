// Makes a bundle: finds out what the other side lacks, and writes just that.

import { createHash } from 'node:crypto';
import { closureOf } from '../closure/walk.ts';
import type { Level } from '../delta/codec/file.ts';
import { BaseClosure, inventoryColumns, writeInventory } from '../delta/base-closure.ts';
import { ColumnWriter } from '../delta/columns.ts';
import type { PathReport } from '../delta/stream.ts';
import { NarrowError } from '../errors.ts';
import type { PathInfo } from '../model/path-info.ts';
import { TrustedKeys, parsePublicKey } from '../model/signature.ts';
import type { SecretKey } from '../model/signature.ts';
import type { StorePath } from '../model/store-path.ts';
import { closureQuery } from '../store/closure-query.ts';
import { formatHead } from '../store/bundle/body.ts';
import type { Segment } from '../store/bundle/volume.ts';
import { VolumeWriter } from '../store/bundle/volume-writer.ts';
import { packColumns } from '../store/narrow/packed-columns.ts';
import { Packing } from '../store/narrow/packing.ts';
import type { Store } from '../store/store.ts';
import { pathRefusal } from '../store/trust.ts';
import type { Inventory } from './inventory.ts';
import { checkedTrees } from './checked-trees.ts';
import { chooseDerivations } from './choose-derivations.ts';
import type { ChosenDerivations } from './choose-derivations.ts';
import { findNeeded } from './needed.ts';
import type { Needed } from './needed.ts';

export interface CreateRequest {
  readonly source: Store;
  readonly roots: readonly StorePath[];
  /** What the other side has; undefined: nothing. */
  readonly there?: Inventory | undefined;
  /** Ids of bundles that it will have applied before. */
  readonly since?: readonly string[];
  readonly file: string;
  readonly keys?: readonly SecretKey[];
  readonly level: Level;
  readonly volumeSize?: number | undefined;
  /** The program, as it is told. */
  readonly by: string;
  readonly dryRun?: boolean | undefined;
  readonly onPlan?: ((plan: BundlePlan) => void) | undefined;
  /** Bytes of NARs that were worked through. */
  readonly onPath?: ((info: PathInfo, report: PathReport) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface BundlePlan extends Needed {
  /** All that the other side is to have. */
  readonly closure: ReadonlyMap<StorePath, PathInfo>;
  /** Bytes of NARs that the bundle brings. */
  readonly narSize: number;
  /** Paths that the other side would not take, as far as its keys are known. */
  readonly refused: readonly StorePath[];
}

export interface CreatedBundle extends BundlePlan {
  /** None after a dry run. */
  readonly files: readonly string[];
  /** Bytes of all files. */
  readonly size: number;
  readonly reports: ReadonlyMap<StorePath, PathReport>;
}

/** About so many bytes go into a segment, before compression. */
const segmentSize = 256 * 1024 * 1024;
/** What a path with a base counts for: most of it does not travel. */
const deltaShare = 1 / 16;
/** What every narrow packs alike. */
const ownTools = ['gzip/1'];

/** Throws `missing` when the source lacks a path. */
export async function createBundle(request: CreateRequest): Promise<CreatedBundle> {
  const { source, roots, signal } = request;
  await using stack = new AsyncDisposableStack();
  stack.use(await source.hold(roots));
  const closure = await closureOf(closureQuery(source, { signal }), roots, source.url);
  stack.use(await source.hold(closure.keys()));
  const plan = await planFor(request, closure);
  stack.use(await source.hold(plan.needs.infos.map(({ path }) => path)));
  request.onPlan?.(plan);
  if (request.dryRun) return { ...plan, files: [], size: 0, reports: new Map() };
  return { ...plan, ...(await write(request, plan)) };
}

async function planFor(request: CreateRequest, closure: ReadonlyMap<StorePath, PathInfo>): Promise<BundlePlan> {
  const { source, roots, there, signal } = request;
  if (there && there.facts.storeDir !== source.storeDir)
    throw new NarrowError(
      'refused',
      `${source.url} holds paths of ${source.storeDir}, the other side of ${there.facts.storeDir}`,
    );
  const known = there?.closure ?? new BaseClosure([]);
  const here = await source.pathInfos(
    known.infos.map(({ path }) => path),
    { signal },
  );
  const needed = findNeeded({ roots, closure, there: known, here });
  const narSize = [...needed.fresh.values()].reduce((sum, info) => sum + info.narSize, 0);
  return { ...needed, closure, narSize, refused: refusedThere(source, needed, there) };
}

function refusedThere({ storeDir }: Store, { fresh }: Needed, there: Inventory | undefined): StorePath[] {
  const { trustedKeys, requireSignatures = true } = there?.facts ?? {};
  if (!trustedKeys) return [];
  const policy = { storeDir, requireSignatures, trustedKeys: new TrustedKeys(trustedKeys.map(parsePublicKey)) };
  return [...fresh.values()].filter((info) => pathRefusal(policy, info, true)).map(({ path }) => path);
}

async function write(
  request: CreateRequest,
  plan: BundlePlan,
): Promise<Pick<CreatedBundle, 'files' | 'size' | 'reports'>> {
  const { source, roots, file, keys = [], volumeSize, there, level, signal, onPath } = request;
  const trees = checkedTrees(source);
  const derivations = await chooseDerivations(trees, plan, signal);
  const packing = new Packing({
    source: trees,
    roots,
    closure: new Map([...plan.fresh].filter(([path]) => !derivations.paths.includes(path))),
    base: plan.needs,
    baseRoots: [],
    pairs: plan.pairs,
    signal,
  });
  const numbers = [...packing.fresh.list.keys()];
  await packing.unknownBases(numbers);
  const head = await headFor(request, plan, packing, derivations);
  const bundle = createHash('sha256').update(head).digest('hex').slice(0, 32);
  await using out = new VolumeWriter(file, { bundle, keys, volumeSize });
  await out.write(head);
  const segments: Segment[] = [];
  const reports = new Map<StorePath, PathReport>();
  const tools = new Set(there?.facts.tools ?? ownTools);
  for (const part of segmentsOf(packing)) {
    let size = 0;
    const told = (path: StorePath, report: PathReport): void => {
      reports.set(path, report);
      onPath?.(plan.fresh.get(path)!, report);
    };
    for await (const chunk of packing.delta(part, { tools, level, onPath: told })) {
      size += chunk.length;
      await out.write(chunk);
    }
    segments.push({ paths: part.length, size });
  }
  expectRead(reports);
  return { files: await out.finish(segments), size: out.written, reports };
}

async function headFor(
  request: CreateRequest,
  plan: BundlePlan,
  packing: Packing,
  derivations: ChosenDerivations,
): Promise<Buffer> {
  const { source, roots, there, since = [], by } = request;
  const needs = new ColumnWriter(inventoryColumns);
  writeInventory(plan.needs, needs);
  const about = {
    storeDir: source.storeDir,
    roots,
    made: Date.now(),
    by,
    for: there?.facts.stores ?? [],
    since,
    withoutBase: plan.withoutBase.length,
  };
  const before = [...plan.needs.infos, ...packing.fresh.list].map(({ path }) => path);
  const packed = await packColumns(derivations.write(before));
  return formatHead(about, await packColumns(needs), await packing.infos({ complete: true }), packed);
}

/** Runs of numbers, each of about {@link segmentSize}. */
function segmentsOf({ fresh: { list } }: Packing): number[][] {
  const segments: number[][] = [];
  let room = 0;
  for (const [number, { info, bases }] of list.entries()) {
    if (room <= 0) {
      segments.push([]);
      room = segmentSize;
    }
    segments.at(-1)!.push(number);
    room -= bases.length > 0 ? info.narSize * deltaShare : info.narSize;
  }
  return segments;
}

/** A path that could not be read is only marked in a delta: a bundle without it would be of no use. */
function expectRead(reports: ReadonlyMap<StorePath, PathReport>): void {
  for (const [path, { cause, failure }] of reports) {
    if (cause !== 'absent') continue;
    throw failure ?? new NarrowError('io', `${path} could not be read`);
  }
}
