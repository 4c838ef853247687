// The plan of a copy as people read it.

import type { StorePath } from '../../model/store-path.ts';
import type { Store } from '../../store/store.ts';
import { groupedByReason } from '../../transfer/plan.ts';
import type { Plan, Refusal } from '../../transfer/plan.ts';
import type { Finding } from '../../transfer/preflight.ts';
import type { Route } from '../../transfer/route.ts';
import { meetingLines } from './deltas.ts';
import { count, formatBytes } from './human.ts';

/** The plan's lines. What is refused stands in the error that follows, unless nothing follows (`dryRun`). */
export function planLines(
  plan: Plan,
  source: Pick<Store, 'url' | 'storeDir'>,
  destination: Pick<Store, 'url' | 'abilities'>,
  dryRun: boolean,
): string[] {
  const lines = [`from ${source.url} to ${destination.url}:`, `  ${numbers(plan)}`];
  lines.push(...routeLines(plan.route, source.url, destination.url), ...meetingLines(plan));
  if (dryRun) lines.push(...cacheLines(plan));
  if (plan.unsigned > 0 && !destination.abilities.signs)
    lines.push(`  ${count(plan.unsigned, 'path')} without a signature`);
  if (plan.toSign.length > 0)
    lines.push(`  ${count(plan.toSign.length, 'path')} there already will get a signature added`);
  if (plan.differs.length > 0) lines.push('  differs, and stays as it is there:', ...groupedByReason(plan.differs, 10));
  if (dryRun && plan.refused.length > 0)
    lines.push(
      '  refused, so that nothing would be copied:',
      ...groupedByReason(plan.refused, 10),
      ...hints(plan.refused),
    );
  return lines;
}

/** Which way the bytes go between two other machines, and why. */
function routeLines(route: Route, source: string, destination: string): string[] {
  if (route.kind === 'plain') return [];
  if (route.kind === 'relayed') {
    const hint = route.hint === undefined ? [] : [`    hint: ${route.hint}`];
    return [`  through here: ${route.why}`, ...hint];
  }
  const what = route.side === 'source' ? `${source} sends` : `${destination} fetches`;
  const agent = route.forwardAgent ? ', with your ssh agent' : '';
  return [`  directly: ${what} by ${route.program}${agent}, since ${route.why}`];
}

/** What caches of the destination would spare the copy. */
function cacheLines({ missing, substitutable }: Plan): string[] {
  if (missing.length === 0) return [];
  if (substitutable === undefined) return ['  what its own caches have of that is known only when they are asked'];
  return substitutable.length === 0 ? [] : [`  ${substitutable.length} of them its own caches have`];
}

/** What should be known before bytes move. Errors stand in the error that follows, and refusals in `plan`, where it was shown. */
export function preflightLines(findings: readonly Finding[], dryRun: boolean, plan?: Pick<Plan, 'refused'>): string[] {
  const told = findings.filter(({ level }) => level === 'warning' || (dryRun && level === 'error'));
  const refusals = (plan?.refused.length ?? 0) > 0;
  return told
    .filter(({ level, subject }) => !refusals || level !== 'error' || subject !== 'signatures')
    .flatMap(({ level, what, hint }) => [`  ${level}: ${what}`, ...(hint === undefined ? [] : [`    hint: ${hint}`])]);
}

function numbers({ total, valid, missing, differs, refused, narSize, fileSize, substituted }: Plan): string {
  const wire = fileSize === undefined ? '' : `, ${formatBytes(fileSize)} as stored there`;
  const size = missing.length === 0 ? '' : ` (${formatBytes(narSize)} of NARs${wire})`;
  const fetched = substituted.length === 0 ? 'already' : `(${substituted.length} now from its own caches)`;
  const parts = [count(total, 'path'), `${valid} there ${fetched}`, `${missing.length} to copy${size}`];
  if (differs.length > 0) parts.push(`${differs.length} that ${differs.length === 1 ? 'differs' : 'differ'}`);
  if (refused.length > 0) parts.push(`${refused.length} refused`);
  return parts.join(', ');
}

/** What to do about refusals, each thing once. */
function hints(refused: readonly Refusal[]): string[] {
  return [...new Set(refused.flatMap(({ hint }) => hint ?? []))].map((hint) => `  hint: ${hint}`);
}

/** What the plans of copies and pushes have in common, for programs: docs/json.md. `full` prints a path. */
export function planJson(plan: Plan, full: (path: StorePath) => string): Record<string, unknown> {
  return {
    total: plan.total,
    valid: plan.valid,
    missing: plan.missing.map((i) => ({ path: full(i.path), narSize: i.narSize, fileSize: i.file?.size })),
    signaturesToAdd: plan.toSign.map((s) => ({ path: full(s.info.path), signatures: s.signatures })),
    differs: plan.differs.map((r) => ({ ...r, path: full(r.path) })),
    narSize: plan.narSize,
    met: plan.met,
    deltaSize: plan.deltaSize,
  };
}
