// Which derivations of a bundle are told by columns: new ones that can be computed again from them, with all that they are
// made of. Those that others than such refer to, and that have a base, go as deltas like any path.

import { collect } from '../../bytes/source.ts';
import { ColumnWriter } from '../../delta/columns.ts';
import { drvColumns } from '../../delta/derivations/layout.ts';
import { DrvWriter } from '../../delta/derivations/writer.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { isContentAddressed } from '../../model/path-info.ts';
import { isDerivationPath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { Store } from '../store.ts';

export interface ChosenFrom {
  /** All paths that come, references first. */
  readonly fresh: ReadonlyMap<StorePath, PathInfo>;
  readonly pairs: ReadonlyMap<StorePath, readonly StorePath[]>;
}

export interface ChosenDerivations {
  /** Inputs first. */
  readonly paths: readonly StorePath[];
  /** Their columns; `before` are all other paths, by number. */
  write(before: readonly StorePath[]): ColumnWriter;
}

/** Larger ones go as deltas: all are held in memory. */
const sizeLimit = 1024 * 1024;
/** Bytes of all. */
const totalLimit = 64 * 1024 * 1024;

export async function chooseDerivations(
  store: Store,
  { fresh, pairs }: ChosenFrom,
  signal: AbortSignal | undefined,
): Promise<ChosenDerivations> {
  const writer = new DrvWriter(store.storeDir);
  const chosen = new Set<StorePath>();
  let room = totalLimit;
  for (const info of fresh.values()) {
    if ((pairs.get(info.path)?.length ?? 0) > 0 || !isPlain(store, info) || info.narSize > Math.min(sizeLimit, room))
      continue;
    signal?.throwIfAborted();
    const tree = await store.tree(info, { signal });
    if (!(await writer.take(info.path, await collect(tree.read([]))))) continue;
    chosen.add(info.path);
    room -= info.narSize;
  }
  keepClosed(chosen, fresh, (path) => writer.drop(path));
  const paths = [...fresh.keys()].filter((path) => chosen.has(path));
  return {
    paths,
    write(before) {
      const out = new ColumnWriter(drvColumns);
      const numbers = new Map([...before, ...paths].map((path, number) => [path, number]));
      for (const [index, path] of paths.entries())
        writer.write(path, before.length + index, (one) => numbers.get(one)!, out);
      return out;
    },
  };
}

/** A derivation of which nothing is known that does not follow from its text. */
function isPlain({ storeDir }: Store, info: PathInfo): boolean {
  const { path, ca, deriver, signatures } = info;
  const bare = deriver === undefined && signatures.length === 0;
  return isDerivationPath(path) && bare && ca?.method === 'text' && isContentAddressed(storeDir, info);
}

/** Takes out what others refer to, what is made of that, and so on. */
function keepClosed(
  chosen: Set<StorePath>,
  fresh: ReadonlyMap<StorePath, PathInfo>,
  drop: (path: StorePath) => void,
): void {
  for (let changed = true; changed;) {
    changed = false;
    for (const { path, references } of fresh.values()) {
      const inputs = references.filter((one) => one !== path && fresh.has(one) && isDerivationPath(one));
      const without = chosen.has(path)
        ? inputs.every((one) => chosen.has(one))
          ? []
          : [path]
        : inputs.filter((one) => chosen.has(one));
      for (const one of without) {
        chosen.delete(one);
        drop(one);
        changed = true;
      }
    }
  }
}
