// What one store lacks of what another would need: closures of paths, or all outputs that a derivation's closure names.

import { closureOf } from '../closure/walk.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { StorePath } from '../model/store-path.ts';
import { isDerivationPath } from '../model/store-path.ts';
import { closureQuery } from '../store/closure-query.ts';
import type { Store } from '../store/store.ts';
import { readDerivations } from './derivations.ts';
import { knownOutputs } from './outputs.ts';

export interface Missing {
  readonly path: StorePath;
  /** The derivation whose output it is, where one was named. */
  readonly derivation?: StorePath | undefined;
  /** Bytes of its NAR, where the source knows. */
  readonly narSize?: number | undefined;
}

export interface MissingReport {
  /** Paths that were asked for. */
  readonly total: number;
  readonly missing: readonly Missing[];
}

/**
 * Asks `cache` for the closures of `roots` (known to `source`), and for the outputs of those roots that are derivations;
 * with `recursive` for the outputs of every derivation that those need: all that a rebuild would take from a cache.
 */
export async function findMissing(
  source: Store,
  cache: Store,
  roots: readonly StorePath[],
  recursive: boolean,
  signal?: AbortSignal,
): Promise<MissingReport> {
  const drvRoots = roots.filter(isDerivationPath);
  const plain = await closureOf(
    closureQuery(source, { signal }),
    roots.filter((root) => !isDerivationPath(root)),
    source.url,
  );
  const wanted = new Map<StorePath, Missing>(
    [...plain.values()].map((info) => [info.path, { path: info.path, narSize: info.narSize }]),
  );
  const drvs = await derivationsOf(source, drvRoots, recursive, signal);
  for (const [derivation, drv] of await readDerivations(source, drvs, signal)) {
    for (const path of knownOutputs(drv).values()) wanted.set(path, { path, derivation });
  }
  const there = await cache.pathInfos(wanted.keys(), { signal });
  return { total: wanted.size, missing: [...wanted.values()].filter(({ path }) => !there.has(path)) };
}

async function derivationsOf(
  source: Store,
  roots: readonly StorePath[],
  recursive: boolean,
  signal?: AbortSignal,
): Promise<PathInfo[]> {
  const closure = await closureOf(closureQuery(source, { signal }), roots, source.url);
  return [...closure.values()].filter((info) => (recursive ? isDerivationPath(info.path) : roots.includes(info.path)));
}
