// The plan of a copy as people read it.

import type { Store } from '../../store/store.ts';
import { groupedByReason } from '../../transfer/plan.ts';
import type { Plan, Refusal } from '../../transfer/plan.ts';
import type { Finding } from '../../transfer/preflight.ts';
import { count, formatBytes } from './human.ts';

/** The plan's lines. What is refused stands in the error that follows, unless nothing follows (`dryRun`). */
export function planLines(
  plan: Plan,
  source: Pick<Store, 'url' | 'storeDir'>,
  destination: Pick<Store, 'url' | 'abilities'>,
  dryRun: boolean,
): string[] {
  const lines = [`from ${source.url} to ${destination.url}:`, `  ${numbers(plan)}`];
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

/** What should be known before bytes move. Errors stand in the error that follows, and refusals in the plan. */
export function preflightLines(findings: readonly Finding[], dryRun: boolean): string[] {
  const told = findings.filter(({ level }) => level === 'warning' || (dryRun && level === 'error'));
  return told
    .filter(({ level, subject }) => level !== 'error' || subject !== 'signatures')
    .flatMap(({ level, what, hint }) => [`  ${level}: ${what}`, ...(hint === undefined ? [] : [`    hint: ${hint}`])]);
}

function numbers({ total, valid, missing, differs, refused, narSize, fileSize }: Plan): string {
  const wire = fileSize === undefined ? '' : `, ${formatBytes(fileSize)} as stored there`;
  const size = missing.length === 0 ? '' : ` (${formatBytes(narSize)} of NARs${wire})`;
  const parts = [count(total, 'path'), `${valid} there already`, `${missing.length} to copy${size}`];
  if (differs.length > 0) parts.push(`${differs.length} that ${differs.length === 1 ? 'differs' : 'differ'}`);
  if (refused.length > 0) parts.push(`${refused.length} refused`);
  return parts.join(', ');
}

/** What to do about refusals, each thing once. */
function hints(refused: readonly Refusal[]): string[] {
  return [...new Set(refused.flatMap(({ hint }) => hint ?? []))].map((hint) => `  hint: ${hint}`);
}
