// A push as it is told: what is meant, and what was done.

import type { DeltaPlan } from '../../cache/deltas/pushing.ts';
import { describeSecret } from '../../cache/push.ts';
import type { PushResult } from '../../cache/push.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Store } from '../../store/store.ts';
import type { Plan } from '../../transfer/plan.ts';
import type { PushPlaces } from '../push-places.ts';
import { deltaLines } from './deltas.ts';
import { count, formatBytes } from './human.ts';
import { planJson, planLines } from './plan.ts';

export interface PushRun {
  readonly dryRun: boolean;
  /** From the source, as stored there. */
  readonly bytesRead: number;
  readonly seconds: number;
}

/** The plan of a copy, and what a push adds to it. */
export function pushPlanLines(
  plan: Plan,
  { source, cache, upstreams, roundabout }: PushPlaces,
  deltas: DeltaPlan | undefined,
  dryRun: boolean,
): string[] {
  const lines = planLines(plan, source, cache, dryRun);
  if (roundabout) lines.push('  whole paths, over SFTP: --skip-upstream and deltas alone need that');
  if (deltas) lines.push(...deltaPlanLines(deltas, source));
  if (plan.elsewhere.length > 0)
    lines.push(`  ${count(plan.elsewhere.length, 'path')} left to ${upstreams.map(({ url }) => url).join(', ')}`);
  return lines;
}

/** What deltas there will be, and whether there will be anything else. */
function deltaPlanLines({ bases, alone, whole, absent }: DeltaPlan, { storeDir, url }: Store): string[] {
  const named = (roots: readonly StorePath[]): string => printStorePath(storeDir, roots[0]!);
  const from = bases.map(named).join(', ');
  return [
    ...(whole === undefined ? [] : [`  in full, since ${whole}`]),
    ...(alone ? [`  as deltas alone, from ${from}: for narrow only, Nix does not see these paths`] : []),
    ...(!alone && bases.length > 0 ? [`  with deltas from ${from}`] : []),
    ...absent.map((roots) => `  no delta from ${named(roots)}, which ${url} does not have`),
  ];
}

/** What was done, for people. */
export function pushLines(result: PushResult, source: Store, { dryRun, bytesRead, seconds }: PushRun): string[] {
  const { plan, outcomes, bytes, generation, secrets, deltasLaid } = result;
  const found = secrets.map((secret) => `  secret: ${describeSecret(source.storeDir, secret)}`);
  if (dryRun) return found;
  const added = outcomes.filter((o) => o.status === 'added').length;
  const signed = plan.toSign.length > 0 ? `, signatures added to ${plan.toSign.length}` : '';
  const moved = `${formatBytes(bytesRead)} read, ${formatBytes(bytes)} written`;
  const what =
    added === 0
      ? `nothing to push: all ${count(plan.total, 'path')} are there${signed}`
      : `pushed ${count(added, 'path')} in ${seconds.toFixed(1)} s${result.deltas.size > 0 ? '' : `: ${moved}`}${signed}`;
  const deltas = deltasLaid.map(
    ({ from, fileSize, narSize }) =>
      `delta from ${printStorePath(source.storeDir, from[0]!)}: ${formatBytes(fileSize)} for ${formatBytes(narSize)} of NARs`,
  );
  return [
    what,
    ...deltaLines(result.deltas, plan),
    ...deltas,
    ...(generation ? [`generation ${generation.generation} of ${generation.name}`] : []),
  ];
}

/** The same for programs; docs/json.md. */
export function pushJson(
  result: PushResult,
  { storeDir }: Store,
  { dryRun, bytesRead, seconds }: PushRun,
): Record<string, unknown> {
  const full = (path: StorePath): string => printStorePath(storeDir, path);
  const { plan, findings, outcomes, bytes, generation, secrets } = result;
  return {
    dryRun,
    plan: { ...planJson(plan, full), upstream: plan.elsewhere.map(full) },
    preflight: findings,
    secrets: secrets.map((secret) => ({ ...secret, path: full(secret.path) })),
    pushed: outcomes.filter((o) => o.status === 'added').map((o) => ({ path: full(o.path), bytes: o.bytes })),
    bytes,
    bytesRead,
    seconds: Math.round(seconds * 1000) / 1000,
    deltas: result.deltasLaid.map(({ from, to, fileSize, narSize, paths }) => ({
      from: from.map(full),
      to: to.map(full),
      paths,
      fileSize,
      narSize,
    })),
    name: generation?.name,
    generation: generation?.generation,
  };
}
