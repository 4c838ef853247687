// What deltas spare, for people: before a copy whether there will be any, after it what moved and why it was not less.

import type { PathCause, PathReport } from '../../delta/report.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Meeting } from '../../store/store.ts';
import type { Plan } from '../../transfer/plan.ts';
import { count, formatBytes } from './human.ts';

/** Of whole systems, as xz packs them one NAR at a time: a quarter is usual. */
const xzShare = 0.25;
/** Paths that are named at the end. */
const mostNamed = 5;

/** Whether the other end has a narrow, and what that would cost, where it was found out. */
export function meetingLines({ met, missing, deltaSize }: Plan): string[] {
  if (!met || missing.length === 0) return [];
  if (met.kind === 'stock') return [`  whole paths, since ${met.why}`];
  if (met.kind === 'static') return [`  by a delta that lies there, ${formatBytes(met.size)} from ${met.from}`];
  const size = deltaSize === undefined ? '' : `: ${formatBytes(deltaSize)} as deltas`;
  return [`  ${met.software} there, which ${basesText(met)}${size}`];
}

function basesText({ bases }: Extract<Meeting, { kind: 'narrow' }>): string {
  return bases === 0 ? 'has nothing to rebuild from' : `rebuilds from ${count(bases, 'path')}`;
}

export const causes: Readonly<Record<PathCause, string>> = {
  same: 'nothing changed but hashes',
  moved: 'files have other names or places',
  code: 'changed code',
  content: 'changed files',
  compressed: 'changed files that are compressed',
  new: 'files that are new',
  'no base': 'there was nothing to make it from',
  absent: 'could not be read',
};

/** What moved as deltas, against what would have moved, and, where there was anything to make them from, the paths that cost most. */
export function deltaLines(reports: ReadonlyMap<StorePath, PathReport>, { missing, met }: Plan): string[] {
  if (reports.size === 0) return [];
  const told = [...reports.values()].reduce((sum, report) => sum + report.bytes, 0);
  const moved = met?.kind === 'static' ? met.size : told;
  const nars = missing.reduce((sum, info) => sum + (reports.has(info.path) ? info.narSize : 0), 0);
  const how = met?.kind === 'static' ? 'as a static delta ' : '';
  const xz = formatBytes(nars * xzShare);
  const sum = `${formatBytes(moved)} moved ${how}for ${formatBytes(nars)} of NARs, of which nar.xz would have moved about ${xz}`;
  const byCause = Map.groupBy(reports.values(), ({ cause }) => cause);
  const first = (met?.kind === 'narrow' && met.bases === 0) || byCause.get('no base')?.length === reports.size;
  if (first) return [`${sum}; the destination had nothing to make them from`];
  const same = byCause.get('same')?.length ?? 0;
  return [`${sum}; ${same} of ${count(reports.size, 'path')} cost nothing but their hashes`, ...costliest(reports)];
}

function costliest(reports: ReadonlyMap<StorePath, PathReport>): string[] {
  const rows = [...reports].filter(([, { bytes }]) => bytes >= 1).sort(([, a], [, b]) => b.bytes - a.bytes);
  return rows
    .slice(0, mostNamed)
    .map(([path, { bytes, cause }]) => `  ${formatBytes(bytes).padStart(9)}  ${path}: ${causes[cause]}`);
}

/** The same as plain values. */
export function deltaJson(
  reports: ReadonlyMap<StorePath, PathReport>,
  full: (path: StorePath) => string,
): { path: string; bytes: number; cause: PathCause }[] {
  return [...reports].map(([path, { bytes, cause }]) => ({ path: full(path), bytes: Math.round(bytes), cause }));
}
