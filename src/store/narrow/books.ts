// What both sides know of a copy by deltas: the closure to rebuild from, and the paths that are to come with the bases of
// each. Sender and receiver number both alike.

import type { BaseClosure, BaseInfo } from '../../delta/base-closure.ts';
import { HashAlignment } from '../../delta/hash-alignment.ts';
import type { AlignedPath, AlignedPair } from '../../delta/hash-alignment.ts';
import { Translator } from '../../delta/translate.ts';
import type { HashPartMap } from '../../delta/translate.ts';

/** A path to come; `bases` are numbers in the base closure, the best first. */
export interface FreshPath extends AlignedPath {
  readonly bases: readonly number[];
}

/** The paths to come, numbered by their place, and how each of their bases is translated. */
export class FreshPaths<T extends FreshPath> {
  readonly list: readonly T[];
  readonly #base: BaseClosure;
  readonly #alignment: HashAlignment;
  readonly #translators = new WeakMap<HashPartMap, Translator>();

  constructor(list: readonly T[], base: BaseClosure) {
    this.list = list;
    this.#base = base;
    this.#alignment = new HashAlignment(
      list.flatMap((fresh): AlignedPair[] => {
        const [first] = this.bases(fresh);
        return first ? [{ fresh, base: first }] : [];
      }),
    );
  }

  /** The path's bases, the best first. */
  bases({ bases }: FreshPath): BaseInfo[] {
    return bases.map((number) => this.#base.infos[number]!);
  }

  /** What makes the base resemble the path. */
  translator(fresh: FreshPath, base: BaseInfo): Translator {
    const map = this.#alignment.mapFor({ fresh, base });
    let translator = this.#translators.get(map);
    if (!translator) this.#translators.set(map, (translator = new Translator(map)));
    return translator;
  }
}
