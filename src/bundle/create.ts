// Makes a bundle: finds out what the other side lacks, and writes just that.

import { closureOf } from '../closure/walk.ts';
import type { Level } from '../delta/codec/file.ts';
import { BaseClosure } from '../delta/base-closure.ts';
import type { PathReport } from '../delta/stream.ts';
import { NarrowError } from '../errors.ts';
import { formatRealisation } from '../format/realisation-json.ts';
import type { PathInfo } from '../model/path-info.ts';
import { TrustedKeys, parsePublicKey } from '../model/signature.ts';
import type { SecretKey } from '../model/signature.ts';
import type { StorePath } from '../model/store-path.ts';
import { closureQuery } from '../store/closure-query.ts';
import type { About } from '../store/bundle/body.ts';
import { writeBundle } from '../store/bundle/write-bundle.ts';
import type { Store } from '../store/store.ts';
import { pathRefusal } from '../store/trust.ts';
import type { TrustPolicy } from '../store/trust.ts';
import type { Inventory } from './inventory.ts';
import { heldElsewhere, substitutable } from './elsewhere.ts';
import { findNeeded } from './needed.ts';
import type { Needed } from './needed.ts';

export interface CreateRequest {
  readonly source: Store;
  readonly roots: readonly StorePath[];
  /** What the other side has; undefined: nothing. */
  readonly there?: Inventory | undefined;
  /** Ids of bundles that it will have applied before. */
  readonly since?: readonly string[];
  /** Caches that the other side can reach: what they hold signed stays out. */
  readonly caches?: readonly Store[];
  readonly file: string;
  readonly keys?: readonly SecretKey[];
  readonly level: Level;
  readonly volumeSize?: number | undefined;
  readonly segmentSize?: number | undefined;
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
  /** Paths that stay out since a cache has them, with its URL. */
  readonly elsewhere: ReadonlyMap<StorePath, string>;
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
  const about = await aboutOf(request, plan);
  const { tools: named } = request.there?.facts ?? {};
  const tools = named && new Set(named);
  return { ...plan, ...(await writeBundle({ ...request, ...plan, about, tools, resumable: true })) };
}

/** What is absent of it is left out. */
async function aboutOf(request: CreateRequest, plan: BundlePlan): Promise<About> {
  const { source, roots, there, since = [], by, signal } = request;
  const realisations = await source.realisations([...plan.fresh.values()], { signal });
  const elsewhere = substitutable(plan);
  return {
    storeDir: source.storeDir,
    roots,
    made: Date.now(),
    by,
    for: there?.facts.stores ?? [],
    since,
    withoutBase: plan.withoutBase.length,
    ...(elsewhere.length > 0 && { substitutable: elsewhere }),
    ...(realisations.length > 0 && { realisations: realisations.map(formatRealisation) }),
  };
}

async function planFor(request: CreateRequest, closure: ReadonlyMap<StorePath, PathInfo>): Promise<BundlePlan> {
  const { source, roots, there, caches = [], signal } = request;
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
  const policy = policyOf(source, there);
  const elsewhere = await heldElsewhere({ caches, closure, there: known, policy, signal });
  const needed = findNeeded({ roots, closure, there: known, here, elsewhere });
  const narSize = [...needed.fresh.values()].reduce((sum, info) => sum + info.narSize, 0);
  const refused = policy ? [...needed.fresh.values()].filter((info) => pathRefusal(policy, info, true)) : [];
  return { ...needed, closure, elsewhere, narSize, refused: refused.map(({ path }) => path) };
}

/** What the other side takes, where its keys are known. */
function policyOf({ storeDir }: Store, there: Inventory | undefined): TrustPolicy | undefined {
  const { trustedKeys, requireSignatures = true } = there?.facts ?? {};
  return trustedKeys && { storeDir, requireSignatures, trustedKeys: new TrustedKeys(trustedKeys.map(parsePublicKey)) };
}
