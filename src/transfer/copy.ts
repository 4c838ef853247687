// The one copy engine: hold, closure, verdicts, plan, run. It knows stores only by their interface.

import { NarrowError } from '../errors.ts';
import type { PathReport } from '../delta/report.ts';
import { closureOf, inOrder } from '../closure/walk.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { Realisation } from '../model/realisation.ts';
import type { StorePath } from '../model/store-path.ts';
import { closureQuery } from '../store/closure-query.ts';
import type { AddOptions, Item, Meeting, Outcome, Store, Verdict, WritableStore } from '../store/store.ts';
import { isDeltaDestination, isDeltaSource } from '../store/store.ts';
import { addMissing } from './adding.ts';
import type { RouteOptions, Travel } from './direct.ts';
import { chooseRoute, copyDirectly } from './direct.ts';
import type { OnEvent } from './events.ts';
import { itemsFor } from './items.ts';
import type { Plan, PlanMore } from './plan.ts';
import { withOutputs } from './derivation-closure.ts';
import { expectAccepted, makePlan } from './plan.ts';
import type { Finding } from './preflight.ts';
import { expectClear, preflight } from './preflight.ts';
import { substitutable, substitute } from './substitution.ts';

export interface CopyRequest extends RouteOptions {
  readonly source: Store;
  readonly destination: WritableStore;
  readonly roots: readonly StorePath[];
  /** With all they refer to; default true. */
  readonly recursive?: boolean;
  /** With the outputs of the closure's derivations that are valid at the source, and with what those need. */
  readonly includeOutputs?: boolean | undefined;
  /** False when the user vouches for the source. */
  readonly checkSignatures?: boolean;
  /** Have the destination fetch from its own caches what they have; the rest is copied. */
  readonly substitute?: boolean | undefined;
  /** Which of the missing paths need not go, since who asks the destination has them from others. */
  readonly elsewhere?: ((missing: readonly PathInfo[]) => Promise<ReadonlySet<StorePath>>) | undefined;
  /** Called with the plan before the first byte moves, also in a dry run; throws what speaks against it. */
  readonly approve?: ((plan: Plan) => Promise<void>) | undefined;
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
  /** Those of them that did not pass through here. */
  readonly directBytes: number;
  /** What each path cost that went as a delta. */
  readonly deltas: ReadonlyMap<StorePath, PathReport>;
}

/**
 * Copies `roots` and what they need. Throws `refused` before the first byte when the destination would not take a
 * path, `missing` when the source lacks one, and after the run the first path's failure, with the number of others.
 */
export async function copyClosure(request: CopyRequest): Promise<CopyResult> {
  const { source, destination, roots, onEvent, signal } = request;
  expectSameDir(source, destination);
  await using stack = new AsyncDisposableStack();
  const metAtSource = await meetAtSource(request);
  stack.use(await source.hold(roots));
  onEvent?.({ type: 'phase', text: `asking ${source.url}` });
  const found = await gather(request, async (paths) => void stack.use(await source.hold(paths)));
  const inOrder = source.inOrder?.(found.values());
  const closure = inOrder ? new Map(inOrder.map((info) => [info.path, info])) : found;
  const met = (await meetAtDestination(request, closure)) ?? metAtSource;
  // a dry run leaves no trace at the destination; but deltas are made of what is held there
  if (request.dryRun !== true || isDeltaDestination(destination))
    stack.use(await destination.hold(withReferences(closure)));
  onEvent?.({ type: 'phase', text: `asking ${destination.url}` });
  const add: AddOptions = {
    signal,
    checkSignatures: checksSignatures(request),
    onBytes: (path, bytes) => onEvent?.({ type: 'bytes', path, bytes }),
  };
  const { plan, ...planned } = await planFor(request, closure, add, met);
  const elsewhere = new Set(plan.elsewhere);
  onEvent?.({ type: 'plan', plan });
  const findings = await preflight(destination, { plan, quick: true, checkSignatures: add.checkSignatures, signal });
  onEvent?.({ type: 'preflight', findings, plan });
  await request.approve?.(plan);
  if (request.dryRun) return { plan, findings, outcomes: [], bytes: 0, directBytes: 0, deltas: new Map() };
  expectAccepted(plan, destination.url);
  expectClear(findings, destination.url);
  const wanted = without(closure, elsewhere);
  const result = await run(request, { plan, ...planned, closure: wanted, add: { ...add, elsewhere } });
  await request.finish?.();
  return { ...result, findings };
}

/** What is copied without its closure still relies on its references. */
function withReferences(closure: ReadonlyMap<StorePath, PathInfo>): Set<StorePath> {
  return new Set([...closure.values()].flatMap(({ path, references }) => [path, ...references]));
}

function without(
  closure: ReadonlyMap<StorePath, PathInfo>,
  left: ReadonlySet<StorePath>,
): ReadonlyMap<StorePath, PathInfo> {
  return left.size === 0 ? closure : new Map([...closure].filter(([path]) => !left.has(path)));
}

/** With a narrow at the other end a copy goes by deltas. Two far ends are not introduced: neither has its files here. */
async function meetAtSource(request: CopyRequest): Promise<Meeting | undefined> {
  const { source, destination, roots, onEvent, signal } = request;
  if (!isDeltaSource(source) || destination.abilities.nearby !== true) return undefined;
  const onPhase = (text: string): void => onEvent?.({ type: 'phase', text });
  return source.meetDestination({ destination, roots, checkSignatures: checksSignatures(request), onPhase, signal });
}

function checksSignatures({ source, checkSignatures = true }: CopyRequest): boolean {
  return checkSignatures && !source.abilities.trusted;
}

async function meetAtDestination(
  { source, destination, roots, signal }: CopyRequest,
  closure: ReadonlyMap<StorePath, PathInfo>,
): Promise<Meeting | undefined> {
  if (!isDeltaDestination(destination) || isDeltaDestination(source)) return undefined;
  return destination.meetSource({ source, roots, closure, signal });
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
  if (recursive) {
    const closure = await closureOf(closureQuery(source, { signal }), roots, source.url);
    if (!includeOutputs) return closure;
    const onUnknown = (drvs: readonly StorePath[]): void =>
      onEvent?.({
        type: 'warning',
        text: `outputs of ${drvs.length} derivations (${drvs[0]} …) are left out: their paths are known only once they are built`,
      });
    return withOutputs(source, closure, hold, { onUnknown, signal });
  }
  const infos = await source.pathInfos(roots, { signal });
  const absent = roots.filter((root) => !infos.has(root));
  if (absent.length > 0)
    throw new NarrowError('missing', `${source.url} does not have ${absent.join(', ')}`, { data: { missing: absent } });
  return inOrder(infos);
}

interface Planned {
  readonly plan: Plan;
  readonly travel: Travel;
  /** Of what is wanted, where they had to be known before. */
  readonly realisations?: readonly Realisation[] | undefined;
}

/** Verdicts, after the destination's own caches had their turn, and the route of what is missing then. */
async function planFor(
  request: CopyRequest,
  closure: ReadonlyMap<StorePath, PathInfo>,
  add: AddOptions,
  met: Meeting | undefined,
): Promise<Planned> {
  const { source, destination, recursive = true } = request;
  const verdicts = await destination.check([...closure.values()], add);
  const more = request.substitute ? await substituted(request, closure, verdicts, add) : {};
  const absent = [...closure.values()].filter(({ path }) => (verdicts.get(path)?.status ?? 'missing') === 'missing');
  const elsewhere = request.elsewhere && absent.length > 0 ? await request.elsewhere(absent) : new Set<StorePath>();
  const wanted = without(closure, elsewhere);
  const realisations = absent.length === 0 ? undefined : await refuseUntellable(request, wanted, verdicts);
  const made = makePlan(source.storeDir, wanted, verdicts, { ...more, met, elsewhere: [...elsewhere] });
  const plan = request.dryRun && met?.kind === 'narrow' ? await withDeltaSize(request, made) : made;
  if (plan.missing.length === 0 || plan.refused.length > 0)
    return { plan, travel: { route: plan.route }, realisations };
  const checkSignatures = add.checkSignatures ?? true;
  const travel = await chooseRoute({ ...request, recursive, checkSignatures });
  return { plan: { ...plan, route: travel.route }, travel, realisations };
}

/** Brings `verdicts` up to date where the destination cannot be told all realisations, and returns those. */
async function refuseUntellable(
  { source, destination, signal }: CopyRequest,
  wanted: ReadonlyMap<StorePath, PathInfo>,
  verdicts: Map<StorePath, Verdict>,
): Promise<readonly Realisation[] | undefined> {
  if (!destination.realisationsRefusal) return undefined;
  const realisations = await source.realisations([...wanted.values()], { signal });
  for (const [path, told] of Map.groupBy(realisations, (one) => one.outPath)) {
    const absent = (verdicts.get(path)?.status ?? 'missing') === 'missing';
    const error = absent ? destination.realisationsRefusal(wanted.get(path)!, told) : undefined;
    if (error) verdicts.set(path, { status: 'refused', why: error.message, hint: error.hint });
  }
  return realisations;
}

/** Found out by making the delta, and not sending it. */
async function withDeltaSize({ source, destination }: CopyRequest, plan: Plan): Promise<Plan> {
  const far = isDeltaDestination(destination) ? destination : isDeltaSource(source) ? source : undefined;
  return plan.missing.length === 0 ? plan : { ...plan, deltaSize: await far?.deltaSize(plan.missing) };
}

/** Has what is missing fetched by the destination, and brings `verdicts` up to date. */
async function substituted(
  request: CopyRequest,
  closure: ReadonlyMap<StorePath, PathInfo>,
  verdicts: Map<StorePath, Verdict>,
  add: AddOptions,
): Promise<PlanMore> {
  const isAbsent = ({ path }: PathInfo): boolean =>
    ['missing', 'refused'].includes(verdicts.get(path)?.status ?? 'missing');
  const missing = [...closure.values()].filter(isAbsent);
  const asked = { ...request, missing };
  if (request.dryRun) return { substitutable: await substitutable(asked, { signal: request.signal }) };
  if (!(await substitute(asked))) return {};
  request.destination.renew?.();
  for (const [path, verdict] of await request.destination.check(missing, add)) verdicts.set(path, verdict);
  return { substituted: missing.filter((info) => !isAbsent(info)).map(({ path }) => path) };
}

interface Run extends Planned {
  readonly closure: ReadonlyMap<StorePath, PathInfo>;
  readonly add: AddOptions;
}

async function run(
  { source, destination, onEvent, signal }: CopyRequest,
  { plan, travel, closure, add, ...known }: Run,
): Promise<Omit<CopyResult, 'findings'>> {
  for (const { info, signatures } of plan.toSign) {
    signal?.throwIfAborted();
    await destination.addSignatures(info.path, info.narHash, signatures);
    onEvent?.({ type: 'signed', path: info.path, signatures });
  }
  const outcomes: Outcome[] = [];
  const tell = (outcome: Outcome): void => {
    outcomes.push(outcome);
    onEvent?.({ type: 'outcome', outcome });
  };
  // what cannot be told of realisations ends it here, whatever the route
  const realisations = known.realisations ?? (await source.realisations([...closure.values()], { signal }));
  let { missing } = plan;
  if (travel.direct) {
    const arrived = await copyDirectly(travel.direct, { destination, missing, add, onEvent, signal });
    for (const outcome of arrived.outcomes) tell(outcome);
    missing = arrived.rest;
  }
  const directBytes = sumBytes(outcomes);
  const items = (wanted: readonly PathInfo[]): Promise<AsyncIterable<Item>> =>
    itemsFor(source, destination, wanted, closure, realisations, signal);
  for await (const outcome of addMissing({ source, destination, missing, items, add, onEvent })) tell(outcome);
  throwFailure(outcomes);
  const ends = [source, destination].filter((store) => isDeltaSource(store) || isDeltaDestination(store));
  const deltas = new Map(ends.flatMap((end) => [...end.deltaReports()]));
  return { plan, outcomes, bytes: sumBytes(outcomes), directBytes, deltas };
}

function sumBytes(outcomes: readonly Outcome[]): number {
  return outcomes.reduce((sum, outcome) => sum + outcome.bytes, 0);
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
