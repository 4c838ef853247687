// The one copy engine: hold, closure, verdicts, plan, run. It knows stores only by their interface.

import { NarrowError } from '../errors.ts';
import { closureOf, inOrder } from '../closure/walk.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { Realisation } from '../model/realisation.ts';
import { realisationId } from '../model/realisation.ts';
import type { StorePath } from '../model/store-path.ts';
import type { AddOptions, Item, Outcome, Store, WritableStore } from '../store/store.ts';
import type { OnEvent } from './events.ts';
import type { Plan } from './plan.ts';
import { withOutputs } from './derivation-closure.ts';
import { expectAccepted, makePlan } from './plan.ts';
import type { Finding } from './preflight.ts';
import { expectClear, preflight } from './preflight.ts';

export interface CopyRequest {
  readonly source: Store;
  readonly destination: WritableStore;
  readonly roots: readonly StorePath[];
  /** With all they refer to; default true. */
  readonly recursive?: boolean;
  /** With the outputs of the closure's derivations that are valid at the source, and with what those need. */
  readonly includeOutputs?: boolean | undefined;
  /** False when the user vouches for the source. */
  readonly checkSignatures?: boolean;
  /** Make the plan and stop. */
  readonly dryRun?: boolean;
  /** Called when everything is there and still held: the place to make roots. */
  readonly finish?: (() => Promise<void>) | undefined;
  readonly onEvent?: OnEvent | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CopyResult {
  readonly plan: Plan;
  /** What was looked at before the first byte. */
  readonly findings: readonly Finding[];
  readonly outcomes: readonly Outcome[];
  /** Encoded bytes that were taken in. */
  readonly bytes: number;
}

/**
 * Copies `roots` and what they need. Throws `refused` before the first byte when the destination would not take a
 * path, `missing` when the source lacks one, and after the run the first path's failure, with the number of others.
 */
export async function copyClosure(request: CopyRequest): Promise<CopyResult> {
  const { source, destination, roots, onEvent, signal } = request;
  expectSameDir(source, destination);
  await using stack = new AsyncDisposableStack();
  stack.use(await source.hold(roots));
  onEvent?.({ type: 'phase', text: `asking ${source.url}` });
  const closure = await gather(request, async (paths) => void stack.use(await source.hold(paths)));
  stack.use(await destination.hold(closure.keys()));
  onEvent?.({ type: 'phase', text: `asking ${destination.url}` });
  const add: AddOptions = {
    signal,
    checkSignatures: (request.checkSignatures ?? true) && !source.abilities.trusted,
    onBytes: (path, bytes) => onEvent?.({ type: 'bytes', path, bytes }),
  };
  const plan = makePlan(source.storeDir, closure, await destination.check([...closure.values()], add));
  onEvent?.({ type: 'plan', plan });
  const findings = await preflight(destination, { plan, quick: true, signal });
  onEvent?.({ type: 'preflight', findings });
  if (request.dryRun) return { plan, findings, outcomes: [], bytes: 0 };
  expectAccepted(plan, destination.url);
  expectClear(findings, destination.url);
  const result = await run(request, plan, closure, add);
  await request.finish?.();
  return { ...result, findings };
}

function expectSameDir(source: Store, destination: Store): void {
  if (source.storeDir === destination.storeDir) return;
  throw new NarrowError(
    'refused',
    `${source.url} holds paths of ${source.storeDir}, ${destination.url} of ${destination.storeDir}; paths cannot change their store directory`,
  );
}

async function gather(
  { source, roots, recursive = true, includeOutputs, onEvent, signal }: CopyRequest,
  hold: (paths: readonly StorePath[]) => Promise<void>,
): Promise<Map<StorePath, PathInfo>> {
  const query = (paths: readonly StorePath[]): Promise<Map<StorePath, PathInfo>> => source.pathInfos(paths, { signal });
  if (recursive) {
    const closure = await closureOf(query, roots, source.url);
    if (!includeOutputs) return closure;
    const onUnknown = (drvs: readonly StorePath[]): void =>
      onEvent?.({
        type: 'warning',
        text: `outputs of ${drvs.length} derivations (${drvs[0]} …) are left out: their paths are known only once they are built`,
      });
    return withOutputs(source, closure, hold, { onUnknown, signal });
  }
  const infos = await query(roots);
  const absent = roots.filter((root) => !infos.has(root));
  if (absent.length > 0)
    throw new NarrowError('missing', `${source.url} does not have ${absent.join(', ')}`, { data: { missing: absent } });
  return inOrder(infos);
}

async function run(
  { source, destination, onEvent, signal }: CopyRequest,
  plan: Plan,
  closure: ReadonlyMap<StorePath, PathInfo>,
  add: AddOptions,
): Promise<Omit<CopyResult, 'findings'>> {
  for (const { info, signatures } of plan.toSign) {
    signal?.throwIfAborted();
    await destination.addSignatures(info.path, info.narHash, signatures);
    onEvent?.({ type: 'signed', path: info.path, signatures });
  }
  const outcomes: Outcome[] = [];
  let bytes = 0;
  const items = await itemsFor(source, destination, plan, closure, signal);
  for await (const outcome of destination.add(items, add)) {
    outcomes.push(outcome);
    bytes += outcome.bytes;
    onEvent?.({ type: 'outcome', outcome });
  }
  throwFailure(outcomes);
  return { plan, outcomes, bytes };
}

/** The missing paths, and those that are there but whose realisations the destination may lack. */
async function itemsFor(
  source: Store,
  destination: WritableStore,
  plan: Plan,
  closure: ReadonlyMap<StorePath, PathInfo>,
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<Item>> {
  const realisations = await source.realisations([...closure.values()], { signal });
  const byPath = Map.groupBy(realisations, (r) => r.outPath);
  const missing = new Set(plan.missing.map((info) => info.path));
  const incomplete = await lacking(destination, closure, missing, byPath, signal);
  source.expect?.([...closure.values()].filter((info) => missing.has(info.path)));
  return (async function* () {
    for (const info of closure.values()) {
      if (!missing.has(info.path) && !incomplete.has(info.path)) continue;
      yield { info, open: (options) => source.open(info, options), realisations: byPath.get(info.path) };
    }
  })();
}

async function lacking(
  destination: WritableStore,
  closure: ReadonlyMap<StorePath, PathInfo>,
  missing: ReadonlySet<StorePath>,
  byPath: ReadonlyMap<StorePath, readonly Realisation[]>,
  signal: AbortSignal | undefined,
): Promise<Set<StorePath>> {
  const there = [...byPath.keys()].filter((path) => !missing.has(path)).map((path) => closure.get(path)!);
  if (there.length === 0) return new Set();
  const known = new Set((await destination.realisations(there, { signal })).map(realisationId));
  return new Set(
    there.map((i) => i.path).filter((path) => byPath.get(path)!.some((r) => !known.has(realisationId(r)))),
  );
}

/** A path whose reference failed fails with it; the error shown is the first that is not such a consequence. */
function throwFailure(outcomes: readonly Outcome[]): void {
  const failed = outcomes.filter((o) => o.status === 'failed' || o.status === 'refused');
  const [first] = failed;
  if (!first || first.status === 'added' || first.status === 'valid') return;
  if (failed.length === 1) throw first.error;
  const cause = first.error;
  throw new NarrowError(
    cause instanceof NarrowError ? cause.code : 'io',
    `${cause.message} (and ${failed.length - 1} more paths were not copied)`,
    {
      cause,
      hint: cause instanceof NarrowError ? cause.hint : undefined,
      data: { failed: failed.map((f) => f.path) },
    },
  );
}
