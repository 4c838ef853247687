// The plan of a copy: for each path of the closure what will happen to it. Pure: made from infos and verdicts, shown
// before anything moves, and the same value that is then carried out.

import { NarrowError } from '../errors.ts';
import type { PathInfo } from '../model/path-info.ts';
import { isContentAddressed } from '../model/path-info.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import type { Meeting, Verdict } from '../store/store.ts';
import type { Route } from './route.ts';

export interface Refusal {
  readonly path: StorePath;
  readonly why: string;
  readonly hint?: string | undefined;
}

export interface Plan {
  readonly storeDir: StoreDir;
  /** Paths of the closure. */
  readonly total: number;
  /** To be copied, references before referrers. */
  readonly missing: readonly PathInfo[];
  /** There already with the same contents. */
  readonly valid: number;
  /** There already, to which signatures will be added. */
  readonly toSign: readonly { readonly info: PathInfo; readonly signatures: readonly string[] }[];
  /** There already with other contents: left as they are, and told. */
  readonly differs: readonly Refusal[];
  /** What the destination will not take. If there is any, nothing is copied. */
  readonly refused: readonly Refusal[];
  /** Of the missing: neither signed nor content-addressed. */
  readonly unsigned: number;
  /** Bytes of the missing paths' NARs. */
  readonly narSize: number;
  /** Bytes of the files that hold them at the source, where the source knows all of them. */
  readonly fileSize: number | undefined;
  /** Of those that are there: what the destination fetched from its own caches for this copy. */
  readonly substituted: readonly StorePath[];
  /** In a dry run, of the missing: what the destination's caches say they have; undefined when that cannot be told. */
  readonly substitutable: readonly StorePath[] | undefined;
  /** Paths of the closure that do not go because others have them; `total` is without them. */
  readonly elsewhere: readonly StorePath[];
  readonly route: Route;
  /** Whether there is a narrow at the other end, and paths go as deltas; undefined where none could be. */
  readonly met: Meeting | undefined;
  /** In a dry run with a narrow at the other end: bytes of the delta. */
  readonly deltaSize: number | undefined;
}

/** What is known of a copy beside its paths. */
export type PlanMore = Partial<
  Pick<Plan, 'substituted' | 'substitutable' | 'elsewhere' | 'route' | 'met' | 'deltaSize'>
>;

/** Sorts the closure (references first) by the destination's verdicts. */
export function makePlan(
  storeDir: StoreDir,
  closure: ReadonlyMap<StorePath, PathInfo>,
  verdicts: ReadonlyMap<StorePath, Verdict>,
  more: PlanMore = {},
): Plan {
  const missing: PathInfo[] = [];
  const toSign: { info: PathInfo; signatures: readonly string[] }[] = [];
  const differs: Refusal[] = [];
  const refused: Refusal[] = [];
  for (const info of closure.values()) {
    const verdict = verdicts.get(info.path) ?? { status: 'missing' };
    if (verdict.status === 'missing') missing.push(info);
    else if (verdict.status === 'differs') differs.push({ path: info.path, why: withoutPath(info.path, verdict.why) });
    else if (verdict.status === 'refused')
      refused.push({ path: info.path, why: withoutPath(info.path, verdict.why), hint: verdict.hint });
    else if (verdict.newSignatures.length > 0) toSign.push({ info, signatures: verdict.newSignatures });
  }
  const known = missing.every((i) => i.file?.size !== undefined);
  return {
    storeDir,
    total: closure.size,
    missing,
    valid: closure.size - missing.length - differs.length - refused.length,
    toSign,
    differs,
    refused,
    unsigned: missing.filter((i) => i.signatures.length === 0 && !isContentAddressed(storeDir, i)).length,
    narSize: missing.reduce((sum, i) => sum + i.narSize, 0),
    fileSize: known ? missing.reduce((sum, i) => sum + i.file!.size!, 0) : undefined,
    substituted: [],
    substitutable: [],
    elsewhere: [],
    met: undefined,
    deltaSize: undefined,
    route: { kind: 'plain' },
    ...more,
  };
}

/** Verdicts name their path, which stands beside them here. */
function withoutPath(path: StorePath, why: string): string {
  return why.startsWith(`${path} `) ? why.slice(path.length + 1) : why;
}

/** The same reason is told once, with up to `shown` of its paths. */
export function groupedByReason(rows: readonly Refusal[], shown: number): string[] {
  return [...Map.groupBy(rows, (row) => row.why)].flatMap(([why, group]) => {
    const more = group.length > shown ? [`    and ${group.length - shown} more`] : [];
    const paths = group.slice(0, shown).map((row) => `    ${row.path}`);
    return group.length === 1
      ? [`  ${group[0]!.path} ${why}`]
      : [`  ${group.length} paths: each ${why}`, ...paths, ...more];
  });
}

/** Throws `refused` when the destination will not take a path, with the reasons and some of the paths. */
export function expectAccepted(plan: Plan, destination: string): void {
  const [first] = plan.refused;
  if (!first) return;
  const what = `${destination} would refuse ${plan.refused.length} of ${plan.total} paths`;
  throw new NarrowError('refused', [what, ...groupedByReason(plan.refused, 5)].join('\n'), {
    hint: first.hint,
    data: { refused: plan.refused },
  });
}
