// Applies bundles: everything is checked first, then it is a copy like any other.

import { NarrowError } from '../errors.ts';
import type { StorePath } from '../model/store-path.ts';
import { BundleStore } from '../store/bundle/bundle-store.ts';
import type { Bundle } from '../store/bundle/bundle.ts';
import { damageError } from '../store/bundle/volume-file.ts';
import type { WritableStore } from '../store/store.ts';
import { copyClosure } from '../transfer/copy.ts';
import type { CopyResult } from '../transfer/copy.ts';
import type { OnEvent } from '../transfer/events.ts';
import { broughtBy } from './brought.ts';
import { obstacleLines, verifyAgainstStore } from './verify.ts';
import type { Obstacle } from './verify.ts';

export interface ApplyRequest {
  /** In the order in which they are applied; closed by whoever opened them. */
  readonly bundles: readonly Bundle[];
  readonly destination: WritableStore;
  readonly checkSignatures: boolean;
  readonly dryRun?: boolean | undefined;
  /** Called when everything is there and held. */
  readonly finish?: (() => Promise<void>) | undefined;
  readonly onEvent?: OnEvent | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Throws `integrity` with the places of all damaged blocks, and `refused` with everything else that speaks against it, before
 * anything is written.
 */
export async function applyBundles(request: ApplyRequest): Promise<CopyResult[]> {
  const { bundles, onEvent, signal } = request;
  onEvent?.({ type: 'phase', text: 'checking the bundle' });
  for (const bundle of bundles) await expectUndamaged(bundle, signal);
  await expectApplicable(request);
  const results: CopyResult[] = [];
  // a plan of the second would lack what the first brings
  const planned = request.dryRun === true ? bundles.slice(0, 1) : bundles;
  for (const [index, bundle] of planned.entries())
    results.push(await applyOne(request, bundle, index === bundles.length - 1));
  return results;
}

async function expectUndamaged({ volumes }: Bundle, signal: AbortSignal | undefined): Promise<void> {
  const damages = [];
  for await (const damage of volumes.damages(undefined, signal)) damages.push(damage);
  const [first] = damages;
  if (!first) return;
  const error = damageError(first);
  if (damages.length === 1) throw error;
  throw new NarrowError('integrity', `${error.message}, and ${damages.length - 1} more places`, {
    hint: error.hint,
    data: { damages },
  });
}

async function expectApplicable({ bundles, destination, checkSignatures, signal }: ApplyRequest): Promise<void> {
  const obstacles: Obstacle[] = [];
  const before = new Set<StorePath>();
  for (const bundle of bundles) {
    const found = await verifyAgainstStore(broughtBy(bundle), destination, { checkSignatures, before, signal });
    obstacles.push(...found.obstacles);
    for (const { path } of [...bundle.infos, ...bundle.needs.infos]) before.add(path);
  }
  if (obstacles.length > 0) throw obstacleError(obstacles, destination.url);
}

/** All obstacles in one error. */
export function obstacleError(obstacles: readonly Obstacle[], url: string): NarrowError {
  const shown = obstacleLines(obstacles).map((line) => `\n  ${line}`);
  const bases = obstacles.some(({ kind }) => kind === 'missing' || kind === 'base');
  const hint = bases
    ? 'nothing was written; have the bundle made for what is there now: narrow inventory -o FILE, and create --for FILE'
    : 'nothing was written; sign the paths (narrow sign), trust the key (--trusted-public-key), or vouch with --no-check-sigs';
  return new NarrowError('refused', `the bundle cannot be applied to ${url}:${shown.join('')}`, {
    hint,
    data: { obstacles },
  });
}

async function applyOne(request: ApplyRequest, bundle: Bundle, isLast: boolean): Promise<CopyResult> {
  const { destination, checkSignatures, dryRun = false, finish, onEvent, signal } = request;
  const source = new BundleStore(bundle);
  return copyClosure({
    source,
    destination,
    roots: bundle.about.roots,
    checkSignatures,
    dryRun,
    finish: isLast ? finish : undefined,
    onEvent,
    signal,
  });
}
