// The deltas of one push: which there can be, found out before anything moves, and their laying when the rest is there.

import type { StorePath } from '../../model/store-path.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { CacheStore } from '../../store/cache/cache-store.ts';
import type { Store, WritableStore } from '../../store/store.ts';
import type { OnEvent } from '../../transfer/events.ts';
import { newestGeneration } from '../generations.ts';
import { fullGeneration, previousGenerations } from './bases.ts';
import type { BaseRoots } from './bases.ts';
import { deltasOnly } from './destination.ts';
import { layDelta } from './lay.ts';
import type { LaidDelta } from './lay.ts';

export interface DeltaRules {
  /** From so many generations before. */
  readonly count: number;
  /** The program, as it is told. */
  readonly by: string;
}

export interface DeltaPlanRequest extends DeltaRules {
  readonly source: Store;
  readonly cache: CacheStore;
  readonly name: string;
  readonly roots: readonly StorePath[];
  readonly onEvent?: OnEvent | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What is known before anything moves. */
export interface DeltaPlan {
  /** Generations that deltas are laid from, the newest first. */
  readonly bases: readonly BaseRoots[];
  /** No NARs are written: the deltas are all there is. */
  readonly alone: boolean;
  /** Why NARs are written to a cache of deltas. */
  readonly whole: string | undefined;
  /** Bases without which somebody cannot use the deltas, which the source lacks. */
  readonly absent: readonly BaseRoots[];
}

export class PushedDeltas {
  readonly plan: DeltaPlan;
  readonly laid: LaidDelta[] = [];
  readonly #request: DeltaPlanRequest;
  /** The roots are the newest generation already. */
  readonly #again: boolean;

  private constructor(request: DeltaPlanRequest, plan: DeltaPlan, again: boolean) {
    this.#request = request;
    this.plan = plan;
    this.#again = again;
  }

  static async plan(request: DeltaPlanRequest): Promise<PushedDeltas> {
    const { source, cache, name, roots, count, signal } = request;
    const only = cache.params.deltasOnly;
    const previous = await previousGenerations(cache, name, roots, count, { signal });
    const full = only ? await fullGeneration(cache, previous, { signal }) : undefined;
    const wanted = [...previous, ...(full && !previous.includes(full) ? [full] : [])];
    const here = await source.pathInfos(new Set(wanted.flat()), { signal });
    const bases = wanted.filter((paths) => paths.every((path) => here.has(path)));
    const whole = !only || bases.length > 0 ? undefined : whyWhole(source, wanted);
    const newest = await newestGeneration(cache, name, { signal });
    const plan = {
      bases,
      alone: only && bases.length > 0,
      whole,
      absent: wanted.filter((paths) => !bases.includes(paths)),
    };
    return new PushedDeltas(request, plan, newest?.paths.join() === roots.join());
  }

  /** Where the push goes when that is not the cache itself: what takes deltas alone. */
  async destination(): Promise<WritableStore | undefined> {
    const { cache, source, roots, signal } = this.#request;
    if (!this.plan.alone) return undefined;
    const { bases } = this.plan;
    const there = this.#again ? roots : bases[0]!;
    return deltasOnly({ cache, source, roots, bases, there, lay: () => this.lay(), signal });
  }

  /** Makes and lays what is not there yet; returns the bytes of the files. */
  async lay(): Promise<number> {
    const { onEvent, source } = this.#request;
    let size = 0;
    for (const from of this.plan.bases) {
      const base = printStorePath(source.storeDir, from[0]!);
      let done = 0;
      const onPath = (): void =>
        void (++done % 20 === 1 && onEvent?.({ type: 'phase', text: `making a delta from ${base}, path ${done}` }));
      const laid = await layDelta({ ...this.#request, partial: !this.plan.alone, onPath }, from);
      if (!laid) continue;
      this.laid.push(laid);
      size += laid.fileSize;
    }
    return size;
  }
}

function whyWhole(source: Store, wanted: readonly BaseRoots[]): string {
  return wanted.length === 0 ? 'it is the first of its name' : `${source.url} has no generation to make them from`;
}
