// Closures of derivations: from outputs to the derivations that made them, and from derivations to those of their outputs
// that a store has. What `--derivation` and `--include-outputs` of a copy mean.

import { NarrowError } from '../errors.ts';
import { closureOf, inOrder } from '../closure/walk.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import { isDerivationPath } from '../model/store-path.ts';
import type { Store } from '../store/store.ts';
import { concurrently } from './concurrently.ts';
import { readDerivation } from './derivations.ts';
import { knownOutputs } from './outputs.ts';

/** Derivations that are read at once. */
const atOnce = 16;

/**
 * The derivations of `roots`: a derivation is its own, any other path has the one that it was built by. Throws `missing`
 * when a path is not valid, or does not say what built it, or when that derivation is not in the store.
 */
export async function derivationRoots(
  store: Store,
  roots: readonly StorePath[],
  signal?: AbortSignal,
): Promise<StorePath[]> {
  const built = roots.filter((root) => !isDerivationPath(root));
  const infos = built.length === 0 ? new Map<StorePath, PathInfo>() : await store.pathInfos(built, { signal });
  const derivers = new Map(built.map((path) => [path, deriverOf(store, path, infos.get(path))]));
  const known = built.length === 0 ? new Map() : await store.pathInfos(derivers.values(), { signal });
  for (const [path, deriver] of derivers) {
    if (known.has(deriver)) continue;
    throw new NarrowError('missing', `${store.url} does not have ${deriver}, which ${path} was built by`, {
      hint: 'instantiate it again (nix-instantiate), or copy the path itself without --derivation',
      data: { path, deriver },
    });
  }
  return [...new Set(roots.map((root) => derivers.get(root) ?? root))];
}

function deriverOf(store: Store, path: StorePath, info: PathInfo | undefined): StorePath {
  if (info?.deriver) return info.deriver;
  const why = info ? `does not know what ${path} was built by` : `does not have ${path}`;
  throw new NarrowError('missing', `${store.url} ${why}`, {
    hint: info && 'name the derivation itself: /nix/store/….drv',
    data: { path },
  });
}

export interface OutputOptions {
  /** Told of outputs whose paths are known only to whoever built them: they cannot be looked for. */
  readonly onUnknown?: ((drvs: readonly StorePath[]) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * `closure` (references first) with the outputs of its derivations that are valid in `store`, and with what those need; the
 * outputs are held from then on by `hold`. Derivations that come with an output count, too.
 */
export async function withOutputs(
  store: Store,
  closure: ReadonlyMap<StorePath, PathInfo>,
  hold: (paths: readonly StorePath[]) => Promise<void>,
  { onUnknown, signal }: OutputOptions = {},
): Promise<Map<StorePath, PathInfo>> {
  const all = new Map(closure);
  const unknown: StorePath[] = [];
  let fresh = [...closure.values()].filter((info) => isDerivationPath(info.path));
  while (fresh.length > 0) {
    const outputs = new Set<StorePath>();
    store.expect?.(fresh);
    const reading = concurrently(fresh, atOnce, async (info) => ({
      path: info.path,
      drv: await readDerivation(store, info, signal),
    }));
    for await (const { path, drv } of reading) {
      const known = knownOutputs(drv);
      if (known.size < drv.outputs.size) unknown.push(path);
      for (const output of known.values()) if (!all.has(output)) outputs.add(output);
    }
    // asked first and held then: a store may take a question for what it holds as one for the whole closure
    const valid = [...(await store.pathInfos(outputs, { signal })).keys()];
    await hold(valid);
    const more = await closureOf((paths) => infosOf(store, paths, all, signal), valid, store.url);
    fresh = [...more.values()].filter((info) => isDerivationPath(info.path) && !all.has(info.path));
    for (const [path, info] of more) all.set(path, info);
  }
  if (unknown.length > 0) onUnknown?.(unknown);
  return inOrder(all);
}

/** Infos of `paths`; those that are known are not asked for again. */
async function infosOf(
  store: Store,
  paths: readonly StorePath[],
  known: ReadonlyMap<StorePath, PathInfo>,
  signal: AbortSignal | undefined,
): Promise<Map<StorePath, PathInfo>> {
  const unknown = paths.filter((path) => !known.has(path));
  const found = unknown.length > 0 ? await store.pathInfos(unknown, { signal }) : new Map<StorePath, PathInfo>();
  for (const path of paths) {
    const info = known.get(path);
    if (info) found.set(path, info);
  }
  return found;
}
