// Trees that answer at once, which is what deltas are made from: those of stores on this machine as they are, those of
// others unpacked into a temporary directory first.

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { NarrowError } from '../../errors.ts';
import { directorySink } from '../../fs/directory-sink.ts';
import { removeTree } from '../../fs/remove.ts';
import { spoolDirectory } from '../../fs/state-directory.ts';
import { localTree } from '../../fs/tree.ts';
import type { FileTree, SyncFileTree } from '../../format/nar/tree.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { takeNar } from '../intake.ts';
import type { Abilities, Store } from '../store.ts';

/** What of a store is needed here. */
export interface NearbyStore extends Pick<Store, 'open' | 'tree'> {
  readonly abilities: Pick<Abilities, 'nearby'>;
}

/** What was unpacked goes when this is disposed. */
export class NearbyTrees implements AsyncDisposable {
  readonly #store: NearbyStore;
  readonly #signal: AbortSignal | undefined;
  #directory: string | undefined;
  #count = 0;

  constructor(store: NearbyStore, signal?: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  /** The tree of a path. One that cannot be had says so when it is looked at: that concerns its path alone. */
  async tree(info: PathInfo): Promise<SyncFileTree> {
    try {
      return await this.#tree(info);
    } catch (error) {
      if (!(error instanceof NarrowError) || error.code === 'aborted') throw error;
      return unreadable(error);
    }
  }

  async #tree(info: PathInfo): Promise<SyncFileTree> {
    if (this.#store.abilities.nearby === true) {
      const tree = await this.#store.tree(info, { signal: this.#signal });
      if (answersAtOnce(tree)) return tree;
    }
    return this.#unpacked(info);
  }

  async #unpacked(info: PathInfo): Promise<SyncFileTree> {
    this.#directory ??= mkdtempSync(join(spoolDirectory(), 'trees-'));
    const root = join(this.#directory, String(this.#count++));
    const sink = directorySink(root, { canonical: false });
    try {
      await takeNar(
        { info, open: (options) => this.#store.open(info, options) },
        { visitor: sink, signal: this.#signal },
      );
      sink.finish();
    } catch (error) {
      sink.abort();
      throw error;
    }
    return localTree(root);
  }

  /** Forgets all trees so far: their paths are done with. */
  clear(): void {
    if (this.#directory === undefined) return;
    removeTree(this.#directory);
    this.#directory = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
    this.#directory = undefined;
  }
}

function answersAtOnce(tree: FileTree): tree is SyncFileTree {
  return 'synchronous' in tree;
}

function unreadable(error: NarrowError): SyncFileTree {
  const fail = (): never => {
    throw error;
  };
  return { synchronous: true, stat: fail, list: fail, read: fail };
}
