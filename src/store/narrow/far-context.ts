// What receiving and sending on the far side share: the stores, and what is held as long as the conversation lasts.

import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { TrustedKeys } from '../../model/signature.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Store, WritableStore } from '../store.ts';
import { closureThere } from './candidates.ts';

export interface FarSideOptions {
  /** Where paths are read, and what they are rebuilt from. */
  readonly store: Store;
  /** Where they are added; may be the same. Undefined: reading only. */
  readonly destination: WritableStore | undefined;
  readonly trustedKeys: TrustedKeys;
  readonly signal?: AbortSignal | undefined;
}

export class FarContext implements AsyncDisposable {
  readonly options: FarSideOptions;
  readonly #holds = new AsyncDisposableStack();

  constructor(options: FarSideOptions) {
    this.options = options;
  }

  async hold(paths: Iterable<StorePath>): Promise<void> {
    const { store, destination = store } = this.options;
    this.#holds.use(await destination.hold(paths));
  }

  /** All that is valid in the closures of `roots`, held. Throws `missing` for a root that is not valid. */
  async closures(roots: readonly StorePath[]): Promise<Map<StorePath, PathInfo>> {
    const { store } = this.options;
    const all = new Map<StorePath, PathInfo>();
    for (const root of roots) {
      const infos = await closureThere(store, root);
      if (!infos.has(root)) throw new NarrowError('missing', `${root} is not valid in ${store.url}`);
      for (const [path, info] of infos) all.set(path, info);
    }
    await this.hold(all.keys());
    return all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holds[Symbol.asyncDispose]();
  }
}
