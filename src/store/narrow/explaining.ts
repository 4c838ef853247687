// What a delta from one closure to another would cost, path by path, and of one path file by file: encoded as for a copy, and
// thrown away.

import type { ByteString } from '../../bytes/byte-string.ts';
import { BaseClosure } from '../../delta/base-closure.ts';
import type { Level } from '../../delta/codec/file.ts';
import { packingTools } from '../../delta/recompress/member.ts';
import { encodeDelta } from '../../delta/stream.ts';
import type { DeltaItem, FileCounts, PathCause, PathReport } from '../../delta/stream.ts';
import { sameContents } from '../../delta/tree-file.ts';
import { NarrowError, isNarrowError } from '../../errors.ts';
import type { SyncFileTree, TreePath, TreeStat } from '../../format/nar/tree.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Store } from '../store.ts';
import { NearbyTrees } from './nearby-trees.ts';
import { Packing } from './packing.ts';

/** Paths of a store, references first, and those that all of them hang on. */
export interface ClosureOf {
  readonly roots: readonly StorePath[];
  readonly infos: ReadonlyMap<StorePath, PathInfo>;
}

export interface ExplainRequest {
  readonly store: Store;
  readonly old: ClosureOf;
  readonly fresh: ClosureOf;
  /** Bases of each new path; found by both graphs if not told. */
  readonly pairs?: ReadonlyMap<StorePath, readonly StorePath[]> | undefined;
  readonly level?: Level | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PathCost {
  readonly info: PathInfo;
  /** What it is made from, the best first. */
  readonly bases: readonly StorePath[];
  readonly report: PathReport;
}

/** Where a file comes from. */
export type FileRoute = keyof FileCounts;

export interface FileCost {
  readonly path: TreePath;
  readonly size: number;
  readonly route: FileRoute;
  /** Its part of what the path costs; not a whole number. */
  readonly bytes: number;
  /** What kind of file it is; for those that cost something. */
  readonly cause: PathCause;
}

export interface Explanation {
  /** Of all that are not in the old closure as they are, in the order in which they would be sent. */
  readonly paths: readonly PathCost[];
  /** Bytes of the delta. */
  readonly size: number;
  /** Every file of a path of these. */
  readonly files: (path: StorePath) => Promise<FileCost[]>;
}

export async function explainDelta(request: ExplainRequest): Promise<Explanation> {
  const { store, old, fresh, pairs, level = 'fast', signal } = request;
  const base = new BaseClosure(old.infos.values());
  const ends = { roots: fresh.roots, baseRoots: old.roots };
  const packing = new Packing({ source: store, closure: fresh.infos, base, pairs, ...ends, signal });
  const { list } = packing.fresh;
  const numbers = [...list.keys()];
  await packing.unknownBases(numbers);
  const paths: PathCost[] = [];
  const tools = new Set(packingTools());
  const onPath = (path: StorePath, report: PathReport): void => {
    const about = list[paths.length]!;
    if (report.failure) throw report.failure;
    paths.push({ info: fresh.infos.get(path)!, bases: packing.fresh.bases(about).map((one) => one.path), report });
  };
  let size = 0;
  for await (const chunk of packing.delta(numbers, { tools, level, onPath })) size += chunk.length;
  const files = async (path: StorePath): Promise<FileCost[]> => {
    const number = list.findIndex((one) => one.path === path);
    await using trees = new NearbyTrees(store, signal);
    const item = await packing.item(number, trees);
    return await filesOf(item, paths[number]!.report.bytes, { tools, level, ...(signal && { signal }) });
  };
  return { paths, size, files };
}

type Encoding = Parameters<typeof encodeDelta>[1];

/** Each file that is not as in the first base is encoded alone, as if the path had no other. */
async function filesOf(item: DeltaItem, bytes: number, options: Encoding): Promise<FileCost[]> {
  const beside = item.bases.find((base): base is SyncFileTree => !('digests' in base));
  const costs: FileCost[] = [];
  for (const { path, stat } of walk(item.fresh, [])) {
    if (stat.type !== 'regular') continue;
    const cost = { path, size: stat.size };
    if (beside && isEqual(item.fresh, beside, path, stat)) {
      costs.push({ ...cost, route: 'equal', bytes: 0, cause: 'same' });
      continue;
    }
    const report = await reportOf({ ...item, fresh: onlyFile(item.fresh, path) }, options);
    costs.push({ ...cost, route: routeOf(report.files), bytes: report.bytes, cause: report.cause });
  }
  // alone they cost more than together
  const sum = costs.reduce((all, one) => all + one.bytes, 0);
  const share = sum > bytes ? bytes / sum : 1;
  return costs.map((one) => ({ ...one, bytes: one.bytes * share }));
}

async function reportOf(item: DeltaItem, options: Encoding): Promise<PathReport> {
  let told: PathReport | undefined;
  const delta = encodeDelta([item], { ...options, onPath: (report) => void (told = report) });
  for await (const _ of delta) {
    // thrown away
  }
  if (told?.failure) throw told.failure;
  return told!;
}

function routeOf(files: FileCounts): FileRoute {
  const routes = ['fresh', 'recompressed', 'similar', 'moved'] as const;
  return routes.find((route) => files[route] > 0) ?? 'equal';
}

function* walk(tree: SyncFileTree, path: TreePath): Generator<{ path: TreePath; stat: TreeStat }> {
  const stat = tree.stat(path);
  if (!stat) return;
  yield { path, stat };
  if (stat.type !== 'directory') return;
  for (const name of tree.list(path)) yield* walk(tree, [...path, name]);
}

function isEqual(fresh: SyncFileTree, base: SyncFileTree, path: TreePath, stat: TreeStat): boolean {
  if (stat.type !== 'regular') return false;
  try {
    const there = base.stat(path);
    if (there?.type !== 'regular' || there.size !== stat.size || there.executable !== stat.executable) return false;
    return sameContents(fresh.read(path), base.read(path));
  } catch (error) {
    // names that collide once they are translated: such a base is of no use
    if (isNarrowError(error)) return false;
    throw error;
  }
}

/** The tree with one of its files and the directories above it. */
function onlyFile(tree: SyncFileTree, file: TreePath): SyncFileTree {
  const leads = (path: TreePath): boolean => path.every((name, i) => name === file[i]);
  return {
    synchronous: true,
    stat: (path) => (leads(path) ? tree.stat(path) : undefined),
    list(path): readonly ByteString[] {
      if (!leads(path)) throw new NarrowError('missing', 'this part of the tree is left out');
      return tree.list(path).filter((name) => name === file[path.length]);
    },
    read: (path, range) => tree.read(path, range),
  };
}
