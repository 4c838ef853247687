// How what is wrong with a cache can be mended: for each path that is damaged or missing, a store that has the same bytes; for
// each that nobody signed, one that knows a signature. Nothing is written here, and no NAR is read.

import { inOrder } from '../closure/walk.ts';
import { isNarrowError } from '../errors.ts';
import { equalHash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import { sortedUnique } from '../model/path-info.ts';
import type { TrustedKeys } from '../model/signature.ts';
import { hashPart } from '../model/store-path.ts';
import type { StorePath } from '../model/store-path.ts';
import type { CacheStore } from '../store/cache/cache-store.ts';
import type { FileOptions } from '../store/cache/files.ts';
import { forEachAtOnce } from '../store/cache/slots.ts';
import type { Store } from '../store/store.ts';
import { verdictOnKnown } from '../store/verdict.ts';
import type { CacheProblem } from './verify.ts';

export interface RepairPlanRequest extends FileOptions {
  readonly store: CacheStore;
  /** Asked in this order. */
  readonly sources: readonly Store[];
  /** Have what is left to them, and are not copied from. */
  readonly upstreams: readonly Store[];
  /** A narinfo with a valid signature is not replaced by another's. Undefined: none is. */
  readonly trustedKeys: TrustedKeys | undefined;
}

/** A path that is written anew. */
export interface Mend {
  /** What its narinfo will say, but for the file. */
  readonly info: PathInfo;
  readonly source: Store;
  /** What the source says. */
  readonly theirs: PathInfo;
}

export interface NewlySigned {
  readonly info: PathInfo;
  readonly signatures: readonly string[];
}

export interface Unmended {
  readonly problem: CacheProblem;
  readonly why: string;
}

export interface RepairPlan {
  /** References before referrers. */
  readonly mends: ReadonlyMap<StorePath, Mend>;
  readonly signing: readonly NewlySigned[];
  /** References that need not be there: upstreams have them, or what is mended did without them before. */
  readonly elsewhere: ReadonlySet<StorePath>;
  /** By problem, the paths that are mended for it. */
  readonly mendedBy: ReadonlyMap<CacheProblem, StorePath>;
  readonly unmended: readonly Unmended[];
}

export async function planRepair(request: RepairPlanRequest, problems: readonly CacheProblem[]): Promise<RepairPlan> {
  const asked = await pathsToMend(request, problems);
  const wanted = new Set(asked.values());
  const { mends, elsewhere, reasons } = await gather(request, wanted, await readableInfos(request, wanted));
  const signing = await findSignatures(request, problems);
  const signed = new Set(signing.map(({ info }) => info.path));
  const mendedBy = new Map<CacheProblem, StorePath>();
  const unmended: Unmended[] = [];
  for (const problem of problems) {
    const path = asked.get(problem);
    if (path !== undefined && mends.has(path)) mendedBy.set(problem, path);
    else if (problem.kind === 'signatures' && problem.path !== undefined && signed.has(problem.path))
      mendedBy.set(problem, problem.path);
    else unmended.push({ problem, why: whyNot(problem, path, reasons) });
  }
  return { mends, signing, elsewhere, mendedBy, unmended };
}

function whyNot(problem: CacheProblem, path: StorePath | undefined, reasons: ReadonlyMap<StorePath, string>): string {
  if (path !== undefined) return reasons.get(path)!;
  if (problem.kind === 'signatures') return 'nobody knows a signature by a trusted key: narrow cache sign';
  if (problem.kind === 'delta') return 'deltas are made when a name is pushed; without this one paths come whole';
  if (problem.kind === 'record') return 'only who wrote it knows what it should say';
  if (problem.kind === 'narinfo') return 'no source has a path of that name';
  return 'whether it is damaged could not be told';
}

/** For each problem the path that has to come from elsewhere, if that is the cure. */
async function pathsToMend(
  { sources, signal }: RepairPlanRequest,
  problems: readonly CacheProblem[],
): Promise<Map<CacheProblem, StorePath>> {
  const asked = new Map<CacheProblem, StorePath>();
  for (const problem of problems) {
    const { kind, path, file, absent } = problem;
    if (absent !== undefined) asked.set(problem, absent);
    else if (path !== undefined && ['file', 'contents', 'address'].includes(kind)) asked.set(problem, path);
    else if (kind === 'narinfo') {
      for (const source of sources) {
        const there = await source.pathByHashPart(file.slice(0, 32), { signal });
        if (there !== undefined) asked.set(problem, there);
        if (there !== undefined) break;
      }
    }
  }
  return asked;
}

/** What the cache itself says of these, where that can be read. */
async function readableInfos(
  { store, signal }: RepairPlanRequest,
  paths: Iterable<StorePath>,
): Promise<Map<StorePath, PathInfo>> {
  const known = new Map<StorePath, PathInfo>();
  await forEachAtOnce(paths, store.files.concurrency, async (path) => {
    try {
      for (const info of (await store.pathInfos([path], { signal })).values()) known.set(path, info);
    } catch (error) {
      if (!isNarrowError(error, 'format')) throw error;
    }
  });
  return known;
}

interface Gathered {
  readonly mends: ReadonlyMap<StorePath, Mend>;
  readonly elsewhere: ReadonlySet<StorePath>;
  /** Of all that was looked for: why it is not among the mends, if it is not. */
  readonly reasons: ReadonlyMap<StorePath, string>;
}

/** Looks for `wanted`, and for what the new ones among them refer to and the cache lacks. */
async function gather(
  request: RepairPlanRequest,
  wanted: ReadonlySet<StorePath>,
  known: ReadonlyMap<StorePath, PathInfo>,
): Promise<Gathered> {
  const mends = new Map<StorePath, Mend>();
  const elsewhere = new Set([...known.values()].flatMap(({ references }) => references));
  const reasons = new Map<StorePath, string>();
  let level = [...wanted];
  while (level.length > 0) {
    for (const path of level) reasons.set(path, 'no source has it');
    for (const source of request.sources) {
      const rest = level.filter((path) => !mends.has(path));
      for (const [path, theirs] of await source.pathInfos(rest, request)) {
        const mend = mendFrom(request, known.get(path), source, theirs);
        if (typeof mend === 'string') reasons.set(path, mend);
        else mends.set(path, mend);
      }
    }
    const news = level.flatMap((path) => (known.has(path) ? [] : (mends.get(path)?.info.references ?? [])));
    const open = new Set(news.filter((path) => !reasons.has(path) && !elsewhere.has(path)));
    for (const path of await thereAlready(request, open)) {
      elsewhere.add(path);
      open.delete(path);
    }
    level = [...open];
  }
  return { mends: complete(mends, known, elsewhere.difference(wanted)), elsewhere, reasons };
}

async function thereAlready(request: RepairPlanRequest, paths: ReadonlySet<StorePath>): Promise<StorePath[]> {
  const there = [...(await readableInfos(request, paths)).keys()];
  for (const upstream of request.upstreams) there.push(...(await upstream.pathInfos(paths, request)).keys());
  return there;
}

/** References first, without what is new and refers to something that neither comes nor is there. */
function complete(
  found: ReadonlyMap<StorePath, Mend>,
  known: ReadonlyMap<StorePath, PathInfo>,
  there: ReadonlySet<StorePath>,
): Map<StorePath, Mend> {
  const infos = new Map([...found].map(([path, { info }]) => [path, info]));
  const mends = new Map<StorePath, Mend>();
  for (const { path, references } of inOrder(infos).values()) {
    const has = (reference: StorePath): boolean => reference === path || mends.has(reference) || there.has(reference);
    if (known.has(path) || references.every(has)) mends.set(path, found.get(path)!);
  }
  return mends;
}

/** One path may have several contents: those that the cache promised count, unless only the source's are signed. */
function mendFrom(
  { store: { storeDir }, trustedKeys }: RepairPlanRequest,
  known: PathInfo | undefined,
  source: Store,
  theirs: PathInfo,
): Mend | string {
  if (!known) return { info: theirs, source, theirs };
  const verdict = verdictOnKnown(known, theirs);
  if (verdict.status === 'valid') {
    const signatures = sortedUnique([...known.signatures, ...theirs.signatures]);
    return { info: { ...theirs, deriver: theirs.deriver ?? known.deriver, signatures }, source, theirs };
  }
  const isSigned = (info: PathInfo): boolean => (trustedKeys?.validSignatures(storeDir, info).length ?? 0) > 0;
  if (isSigned(theirs) && !isSigned(known)) return { info: theirs, source, theirs };
  return `${source.url} has other contents under this name`;
}

async function findSignatures(
  { store, sources, trustedKeys, signal }: RepairPlanRequest,
  problems: readonly CacheProblem[],
): Promise<NewlySigned[]> {
  const paths = problems.flatMap(({ kind, path }) => (kind === 'signatures' && path !== undefined ? [path] : []));
  if (paths.length === 0 || !trustedKeys) return [];
  const signing = new Map<StorePath, NewlySigned>();
  const ours = await store.pathInfos(paths, { signal });
  for (const source of sources) {
    const rest = paths.filter((path) => !signing.has(path));
    for (const [path, theirs] of await source.pathInfos(rest, { signal })) {
      const info = ours.get(path);
      if (!info || !equalHash(info.narHash, theirs.narHash)) continue;
      const signatures = trustedKeys.validSignatures(store.storeDir, { ...info, signatures: theirs.signatures });
      if (signatures.length > 0) signing.set(path, { info, signatures });
    }
  }
  return [...signing.values()];
}

/** Hash parts of what has to go where it cannot be mended, and files that nothing needs. */
export function damageIn(unmended: readonly Unmended[]): { parts: Set<string>; files: string[] } {
  const parts = new Set<string>();
  const files: string[] = [];
  for (const { problem } of unmended) {
    const { kind, path, file } = problem;
    if (path !== undefined && ['file', 'contents', 'address', 'closure'].includes(kind)) parts.add(hashPart(path));
    if (kind === 'narinfo' || kind === 'delta' || (kind === 'record' && file.endsWith('.doi'))) files.push(file);
  }
  return { parts, files };
}
