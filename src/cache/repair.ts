// Mending a cache: what a check finds is written again from other stores, proven by its NAR hash as everything that a cache takes
// in. What cannot be mended is named, and goes, if that is asked for, with all that needs it: what is left is whole.

import { hashPart } from '../model/store-path.ts';
import type { StorePath } from '../model/store-path.ts';
import type { Item, Outcome } from '../store/store.ts';
import { addNewSignatures } from '../transfer/sign.ts';
import { runGc } from './gc.ts';
import type { GcResult } from './gc.ts';
import { takeInventory } from './inventory.ts';
import type { Inventory } from './inventory.ts';
import { damageIn, planRepair } from './repair-plan.ts';
import type { RepairPlan, RepairPlanRequest, Unmended } from './repair-plan.ts';
import { verifyCache } from './verify.ts';
import type { CacheProblem, VerifyCacheRequest } from './verify.ts';

export interface RepairRequest extends RepairPlanRequest, Omit<VerifyCacheRequest, 'onProblem'> {
  /** Remove what cannot be mended. */
  readonly remove: boolean;
  readonly dryRun?: boolean | undefined;
  readonly onPhase?: ((text: string) => void) | undefined;
}

export interface Mended {
  readonly problem: CacheProblem;
  readonly path: StorePath;
  /** URL of the store that had it. */
  readonly from: string | undefined;
}

export interface CacheRepaired {
  /** Problems that were found. */
  readonly problems: number;
  /** Or would be, in a dry run. */
  readonly mended: readonly Mended[];
  readonly unmended: readonly Unmended[];
  /** Bytes that were written. */
  readonly bytes: number;
  /** Where it was asked for, and there was something to remove. */
  readonly removed: GcResult | undefined;
}

/** Milliseconds: what nothing names and is younger may belong to somebody who is copying. */
const grace = 3_600_000;

/** Throws `unavailable` when something is to be removed while others push. */
export async function repairCache(request: RepairRequest): Promise<CacheRepaired> {
  const { remove, dryRun, onPhase } = request;
  const problems: CacheProblem[] = [];
  onPhase?.('checking');
  await verifyCache({ ...request, onProblem: (problem) => void problems.push(problem) });
  onPhase?.('looking for what is damaged');
  const plan = await planRepair(request, problems);
  const outcomes = dryRun === true ? [] : await mend(request, plan);
  const result = settle(plan, outcomes);
  const removed = remove && dryRun !== true ? await removeDamage(request, result.unmended) : undefined;
  const bytes = outcomes.reduce((sum, outcome) => sum + outcome.bytes, 0);
  return { ...result, problems: problems.length, bytes, removed };
}

async function mend(request: RepairRequest, plan: RepairPlan): Promise<Outcome[]> {
  const { store, onPhase, signal } = request;
  const { mends, signing, elsewhere } = plan;
  const outcomes: Outcome[] = [];
  if (mends.size > 0) {
    const references = [...mends.values()].flatMap(({ info }) => info.references);
    await using _hold = await store.hold(new Set([...mends.keys(), ...references]));
    const add = { repair: true, elsewhere, signal, onBytes: count(request) };
    const sharers = sharersIn(await takeInventory(store, { signal }));
    for await (const outcome of store.add(items(plan, sharers), add)) {
      outcomes.push(outcome);
      onPhase?.(`mending, path ${outcomes.length} of ${mends.size}`);
    }
  }
  for await (const _ of addNewSignatures(store, signing, signal));
  return outcomes;
}

function count({ onBytes }: RepairRequest): (path: StorePath, bytes: number) => void {
  return (_, bytes) => onBytes?.(bytes);
}

async function* items(
  { mends }: RepairPlan,
  sharers: (path: StorePath) => readonly StorePath[],
): AsyncGenerator<Item, void, undefined> {
  for (const { info, source, theirs } of mends.values())
    yield { info, sharers: sharers(info.path), open: (options) => source.open(theirs, options) };
}

/** Of each path the others that are stored in the same file. */
function sharersIn({ rows, rowOf, narOf }: Inventory): (path: StorePath) => readonly StorePath[] {
  const groups = Map.groupBy(rows.keys(), (row) => narOf[row]!);
  return (path) => {
    const row = rowOf.get(hashPart(path));
    const group = row === undefined ? [] : groups.get(narOf[row]!)!;
    return group.map((one) => rows[one]!.path).filter((one) => one !== path);
  };
}

function settle(plan: RepairPlan, outcomes: readonly Outcome[]): Pick<CacheRepaired, 'mended' | 'unmended'> {
  const failed = new Map(outcomes.flatMap((outcome) => ('error' in outcome ? [[outcome.path, outcome.error]] : [])));
  const mended: Mended[] = [];
  const unmended = [...plan.unmended];
  for (const [problem, path] of plan.mendedBy) {
    const error = failed.get(path);
    if (error) unmended.push({ problem, why: error.message });
    else mended.push({ problem, path, from: plan.mends.get(path)?.source.url });
  }
  return { mended, unmended };
}

async function removeDamage(request: RepairRequest, unmended: readonly Unmended[]): Promise<GcResult | undefined> {
  const doomed = damageIn(unmended);
  if (doomed.parts.size === 0 && doomed.files.length === 0) return undefined;
  const { store, onPhase, signal } = request;
  return runGc({ store, doomed, grace, keepGenerations: 1, onPhase, signal });
}
