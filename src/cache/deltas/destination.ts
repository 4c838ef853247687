// A cache as a destination that takes deltas alone: what the generations before have counts as there, and all else comes as
// one delta from each of them. No narinfo is written: stock Nix does not see these paths.

import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import { closureOf } from '../../closure/walk.ts';
import { closureQuery } from '../../store/closure-query.ts';
import type { CacheStore } from '../../store/cache/cache-store.ts';
import type { AddOptions, Item, Outcome, Store, Verdict, WritableStore } from '../../store/store.ts';
import { forward } from '../../store/wrap/forward.ts';
import type { BaseRoots } from './bases.ts';

export interface DeltasOnlyRequest {
  readonly cache: CacheStore;
  readonly source: Store;
  readonly roots: readonly StorePath[];
  /** What the deltas are from. */
  readonly bases: readonly BaseRoots[];
  /** What counts as there, with all it refers to; the source has it. */
  readonly there: BaseRoots;
  /** Lays the deltas; returns the bytes of their files. */
  readonly lay: () => Promise<number>;
  readonly signal?: AbortSignal | undefined;
}

/** The store that a push copies to. */
export async function deltasOnly(request: DeltasOnlyRequest): Promise<WritableStore> {
  const { cache, source, roots, bases, lay, signal } = request;
  const there = await closureOf(closureQuery(source, { signal }), request.there, source.url);
  const verdict = ({ path }: PathInfo): Verdict =>
    there.has(path) ? { status: 'valid', newSignatures: [] } : { status: 'missing' };
  return forward(cache, {
    // a lease that names everything would be as long as the delta
    hold: () => cache.hold(new Set([...roots, ...bases.flat()])),
    check: async (infos: readonly PathInfo[]) => new Map(infos.map((info) => [info.path, verdict(info)])),
    async *add(items: AsyncIterable<Item>, { onBytes }: AddOptions = {}): AsyncGenerator<Outcome, void, undefined> {
      const taken: StorePath[] = [];
      for await (const { info } of items) taken.push(info.path);
      if (taken.length === 0) return;
      const size = await lay();
      onBytes?.(taken[0]!, size);
      for (const [index, path] of taken.entries()) yield { status: 'added', path, bytes: index === 0 ? size : 0 };
    },
  } as Partial<WritableStore>);
}
