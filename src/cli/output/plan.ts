// The plan of a copy as people read it.

import type { Store } from '../../store/store.ts';
import { groupedByReason } from '../../transfer/plan.ts';
import type { Plan } from '../../transfer/plan.ts';
import { count, formatBytes } from './human.ts';

/** The plan's lines. What is refused stands in the error that follows, unless nothing follows (`dryRun`). */
export function planLines(
  plan: Plan,
  source: Pick<Store, 'url' | 'storeDir'>,
  destination: Pick<Store, 'url' | 'abilities'>,
  dryRun: boolean,
): string[] {
  const wire = plan.fileSize === undefined ? '' : `, ${formatBytes(plan.fileSize)} as stored there`;
  const lines = [
    `from ${source.url} to ${destination.url}: ${count(plan.total, 'path')}, ${plan.valid} there already, ` +
      `${plan.missing.length} to copy (${formatBytes(plan.narSize)} of NARs${wire})`,
  ];
  if (plan.unsigned > 0 && !destination.abilities.signs)
    lines.push(`  ${count(plan.unsigned, 'path')} without a signature`);
  if (plan.toSign.length > 0)
    lines.push(`  ${count(plan.toSign.length, 'path')} there already will get a signature added`);
  if (plan.differs.length > 0) lines.push('  differs, and stays as it is there:', ...groupedByReason(plan.differs, 10));
  if (dryRun && plan.refused.length > 0)
    lines.push('  refused, so that nothing would be copied:', ...groupedByReason(plan.refused, 10));
  return lines;
}
