// The signatures that a push makes: every path of it gets those of the cache's own keys, also where it is there already without
// them. So the copy is given a source whose paths have them, and finds out for itself where they lack.

import type { PathInfo } from '../model/path-info.ts';
import { signPathInfo } from '../model/signature.ts';
import type { SecretKey } from '../model/signature.ts';
import type { StorePath } from '../model/store-path.ts';
import { Slots } from '../store/cache/slots.ts';
import type { Store, WritableStore } from '../store/store.ts';
import { forward } from '../store/wrap/forward.ts';

export class OwnSignatures {
  readonly #keys: readonly SecretKey[];
  readonly #slots: Slots;
  readonly #given = new Map<StorePath, PathInfo>();
  readonly #adding: Promise<void>[] = [];

  /** `atOnce`: signatures that are added at the same time; a cache far away would wait for each. */
  constructor(keys: readonly SecretKey[], atOnce: number) {
    this.#keys = keys;
    this.#slots = new Slots(atOnce);
  }

  /** The source with signed paths. */
  source(source: Store): Store {
    if (this.#keys.length === 0) return source;
    const sign = (info: PathInfo): [StorePath, PathInfo] => {
      this.#given.set(info.path, info);
      return [info.path, signPathInfo(source.storeDir, info, this.#keys)];
    };
    const signAll = (infos: Map<StorePath, PathInfo>): Map<StorePath, PathInfo> =>
      new Map([...infos.values()].map(sign));
    return forward(source, {
      pathInfos: async (paths, options) => signAll(await source.pathInfos(paths, options)),
      ...(source.closureInfos && {
        closureInfos: async (paths, options) => signAll(await source.closureInfos!(paths, options)),
      }),
    });
  }

  /** The info with the signatures that the source has. */
  given(info: PathInfo): PathInfo {
    return this.#given.get(info.path) ?? info;
  }

  /** The destination, where signatures are on their way when they were added: {@link added} tells when they are there. */
  destination(store: WritableStore): WritableStore {
    const ours: Partial<WritableStore> = {
      addSignatures: (path, narHash, signatures) => {
        const adding = this.#slots.run(() => store.addSignatures(path, narHash, signatures));
        // thrown by `added`
        adding.catch(() => {});
        this.#adding.push(adding);
        return Promise.resolve();
      },
      // a narinfo that is written when nobody holds it may come back after a collector removed it
      hold: async (paths) => {
        const hold = await store.hold(paths);
        return {
          [Symbol.asyncDispose]: async () => {
            await Promise.allSettled(this.#adding);
            await hold[Symbol.asyncDispose]();
          },
        };
      },
    };
    return forward(store, ours);
  }

  /** Throws what was wrong with one of them. */
  async added(): Promise<void> {
    await Promise.all(this.#adding);
  }
}
