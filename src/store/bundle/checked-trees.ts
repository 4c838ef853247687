// A store whose trees are checked before they are used: what a bundle was made of cannot be asked for again.

import { createHash } from 'node:crypto';
import { NarrowError } from '../../errors.ts';
import { packNar } from '../../format/nar/pack.ts';
import type { FileTree } from '../../format/nar/tree.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { equalHash } from '../../model/hash.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { QueryOptions, Store } from '../store.ts';
import { forward } from '../wrap/forward.ts';

/** `tree` throws `integrity` when the files of a path are not what the store says. Each path is read for that once. */
export function checkedTrees(store: Store): Store {
  const checked = new Set<StorePath>();
  return forward(store, {
    async tree(info: PathInfo, options?: QueryOptions): Promise<FileTree> {
      const tree = await store.tree(info, options);
      if (!checked.has(info.path)) await check(tree, info, store.url, options?.signal);
      checked.add(info.path);
      return tree;
    },
  });
}

async function check(tree: FileTree, { path, narHash }: PathInfo, url: string, signal?: AbortSignal): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of packNar(tree)) {
    signal?.throwIfAborted();
    hash.update(chunk);
  }
  if (equalHash({ algo: 'sha256', bytes: hash.digest() }, narHash)) return;
  throw new NarrowError('integrity', `${path} is damaged in ${url}: its files are not those that were registered`, {
    hint: `repair it first: nix-store --repair-path, or copy it there again`,
    data: { path },
  });
}
