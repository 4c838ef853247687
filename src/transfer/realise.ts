// Building elsewhere: derivations go to a store that builds, which builds or substitutes what is wanted of them and keeps it.

import { NarrowError } from '../errors.ts';
import type { Derivation } from '../model/derivation.ts';
import type { OutputSpec } from '../model/output-spec.ts';
import type { StorePath } from '../model/store-path.ts';
import { isDerivationPath } from '../model/store-path.ts';
import type { BuildOutcome, BuildTarget, BuildingStore } from '../store/building.ts';
import type { Store } from '../store/store.ts';
import { copyClosure } from './copy.ts';
import type { CopyResult } from './copy.ts';
import { readDerivations } from './derivations.ts';
import type { OnEvent } from './events.ts';
import { knownOutputs } from './outputs.ts';

export interface RealiseRequest {
  /** Has the closures of the derivations. */
  readonly source: Store;
  readonly builder: BuildingStore;
  readonly targets: readonly BuildTarget[];
  /** False when the user vouches for the source. */
  readonly checkSignatures?: boolean;
  /** Show what would be copied and stop. */
  readonly dryRun?: boolean;
  /** Lines of the builds' logs. */
  readonly onLog?: ((line: string) => void) | undefined;
  /** Called when everything is built and held: the place to make roots. */
  readonly finish?: ((realised: readonly Realised[]) => Promise<void>) | undefined;
  readonly onEvent?: OnEvent | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Realised {
  readonly drv: StorePath;
  /** `built`, `substituted`, `already valid` … as far as the builder tells. */
  readonly how: string;
  /** By name. */
  readonly outputs: ReadonlyMap<string, StorePath>;
}

export interface RealiseResult {
  readonly copy: CopyResult;
  /** In the order of the targets; none after a dry run. */
  readonly realised: readonly Realised[];
}

/** Levels of inputs, one after the other, of which substituters have nothing: the rest is built. */
const fruitlessLevels = 16;

/** Targets of one derivation become one. Throws `usage` for paths that are no derivations. */
export function mergeTargets(targets: readonly BuildTarget[]): BuildTarget[] {
  const merged = new Map<StorePath, OutputSpec>();
  for (const { drv, outputs } of targets) {
    if (!isDerivationPath(drv))
      throw new NarrowError('usage', `${drv} is no derivation`, {
        hint: 'name X.drv, or outputs of it: X.drv^out,dev',
      });
    const known = merged.get(drv);
    const both = known === 'all' || outputs === 'all' ? 'all' : [...new Set([...(known ?? []), ...outputs])].sort();
    merged.set(drv, both);
  }
  return [...merged].map(([drv, outputs]) => ({ drv, outputs }));
}

/**
 * Copies the derivations to the builder and has them built or substituted there. Throws what the copy throws, `usage` for
 * outputs that a derivation does not have, `unsupported` for outputs whose path the builder could not tell, and the first
 * failure of a build.
 */
export async function realise(request: RealiseRequest): Promise<RealiseResult> {
  const { source, builder, onEvent, signal } = request;
  const targets = mergeTargets(request.targets);
  const roots = targets.map(({ drv }) => drv);
  const drvs = await loadDerivations(source, roots, signal);
  for (const target of targets) expectOutputs(builder, target, drvs.get(target.drv)!);
  let realised: Realised[] = [];
  const build = async (): Promise<void> => {
    const wanted = targets.flatMap((target) => [...wantedOutputs(target, drvs.get(target.drv)!).values()]);
    await using _held = await builder.hold(wanted);
    onEvent?.({ type: 'phase', text: `building in ${builder.url}` });
    await substituteInputs(request, targets, drvs);
    const outcomes = await builder.buildPaths(targets, { onLog: request.onLog, signal });
    signal?.throwIfAborted();
    realised = targets.map((target, i) => realisedOf(target, drvs.get(target.drv)!, outcomes[i]!, outcomes));
    await expectValid(builder, realised, signal);
    await request.finish?.(realised);
  };
  const copy = await copyClosure({
    source,
    destination: builder,
    roots,
    checkSignatures: request.checkSignatures ?? true,
    dryRun: request.dryRun ?? false,
    finish: build,
    onEvent,
    signal,
  });
  return { copy, realised };
}

async function loadDerivations(
  source: Store,
  paths: readonly StorePath[],
  signal: AbortSignal | undefined,
): Promise<Map<StorePath, Derivation>> {
  const infos = await source.pathInfos(paths, { signal });
  const missing = paths.filter((path) => !infos.has(path));
  if (missing.length === 0) return readDerivations(source, [...infos.values()], signal);
  throw new NarrowError('missing', `${source.url} does not have ${missing.join(', ')}`, { data: { missing } });
}

function expectOutputs(builder: BuildingStore, { drv, outputs }: BuildTarget, { outputs: has }: Derivation): void {
  const names = outputs === 'all' ? [...has.keys()] : outputs;
  for (const name of names) {
    const output = has.get(name);
    if (!output)
      throw new NarrowError('usage', `${drv} has no output '${name}'`, {
        hint: `it has ${[...has.keys()].join(', ')}`,
      });
    if ('path' in output || builder.tellsOutputs) continue;
    throw new NarrowError('unsupported', `${builder.url} could not tell the path of ${drv}^${name} when it is built`, {
      hint: 'it is content-addressed; a daemon tells: ssh-ng:// in place of ssh://',
    });
  }
}

/** Those outputs of the target whose paths are known before. */
function wantedOutputs({ outputs }: Pick<BuildTarget, 'outputs'>, drv: Derivation): Map<string, StorePath> {
  const known = knownOutputs(drv);
  return outputs === 'all' ? known : new Map([...known].filter(([name]) => outputs.includes(name)));
}

function realisedOf(
  target: BuildTarget,
  drv: Derivation,
  outcome: BuildOutcome,
  all: readonly BuildOutcome[],
): Realised {
  if (outcome.status === 'failed') {
    // the others were given up when the first one failed
    const culprit = all.find(
      (o) => o.status === 'failed' && !/cancelled|dependency/.test(String(o.error.data['status'])),
    );
    throw culprit?.status === 'failed' ? culprit.error : outcome.error;
  }
  const wanted = (name: string): boolean => target.outputs === 'all' || target.outputs.includes(name);
  const told = [...outcome.outputs].filter(([name]) => wanted(name));
  return { drv: target.drv, how: outcome.how, outputs: new Map([...wantedOutputs(target, drv), ...told]) };
}

/** Throws `missing` when the builder says that it is done and has not what it should. */
async function expectValid(
  builder: BuildingStore,
  realised: readonly Realised[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const outputs = realised.flatMap((one) => [...one.outputs.values()]);
  const valid = await builder.pathInfos(outputs, { signal });
  const absent = outputs.filter((path) => !valid.has(path));
  if (absent.length === 0) return;
  throw new NarrowError('missing', `${builder.url} says that it is done, but does not have ${absent.join(', ')}`, {
    data: { missing: absent },
  });
}

/**
 * Where builds substitute nothing by themselves: takes the outputs from substituters, and of what they do not have the
 * inputs, level by level. What then lacks is built.
 */
async function substituteInputs(
  { source, builder, signal }: RealiseRequest,
  targets: readonly BuildTarget[],
  roots: ReadonlyMap<StorePath, Derivation>,
): Promise<void> {
  if (!builder.substitute) return;
  const seen = new Set<StorePath>();
  let level = targets.map(({ drv, outputs }) => ({ path: drv, outputs, drv: roots.get(drv)! }));
  for (let fruitless = 0; level.length > 0 && fruitless < fruitlessLevels;) {
    const wanted = level.flatMap((one) => [...wantedOutputs(one, one.drv).values()]);
    const valid = await builder.substitute(wanted, { signal });
    fruitless = valid.size > 0 ? 0 : fruitless + 1;
    const inputs = new Map<StorePath, readonly string[]>();
    for (const { drv, outputs } of level) {
      const known = wantedOutputs({ outputs }, drv);
      const complete = known.size > 0 && [...known.values()].every((path) => valid.has(path));
      if (!complete) for (const [input, node] of drv.inputDrvs) if (!seen.has(input)) inputs.set(input, node.outputs);
    }
    for (const input of inputs.keys()) seen.add(input);
    const drvs = inputs.size > 0 ? await loadDerivations(source, [...inputs.keys()], signal) : new Map<never, never>();
    level = [...inputs].map(([path, outputs]) => ({ path, outputs, drv: drvs.get(path)! }));
  }
}
