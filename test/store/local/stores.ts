// What tests of the local store share: opening stores of their own, copying between them.

import { closureOf } from '../../../src/closure/walk.ts';
import type { PathInfo } from '../../../src/model/path-info.ts';
import type { TrustedKeys } from '../../../src/model/signature.ts';
import { TrustedKeys as Keys } from '../../../src/model/signature.ts';
import type { StorePath } from '../../../src/model/store-path.ts';
import { parseStorePath } from '../../../src/model/store-path.ts';
import { openLocalStore } from '../../../src/store/local.ts';
import type { LocalStore } from '../../../src/store/local.ts';
import type { AddOptions, Item, Outcome, Store, WritableStore } from '../../../src/store/store.ts';

export interface OpenLocalOptions {
  readonly params?: Readonly<Record<string, string>>;
  readonly flags?: Readonly<Record<string, boolean>>;
  readonly keys?: TrustedKeys;
  readonly mode?: 'read' | 'write';
  readonly warnings?: string[];
}

/** Opens `local?root=ROOT` with nothing of the machine's configuration; signatures are not asked for unless a flag says so. */
export function openRoot(root: string, options: OpenLocalOptions = {}): Promise<LocalStore> {
  const flags: Record<string, boolean> = { 'require-sigs': false, ...options.flags };
  return openLocalStore(
    new URLSearchParams({ root, ...options.params }),
    {
      settings: { flag: (key) => flags[key] },
      trustedKeys: options.keys ?? new Keys(),
      warn: (text) => void options.warnings?.push(text),
    },
    options.mode ?? 'write',
  );
}

/** Full paths as `nix-store` prints them, one a line. */
export function parsePaths(storeDir: string, lines: string): StorePath[] {
  return lines
    .split('\n')
    .filter(Boolean)
    .map((line) => parseStorePath(storeDir, line));
}

/** The closure's infos, references first. */
export function closureInfos(store: Store, roots: Iterable<StorePath>): Promise<Map<StorePath, PathInfo>> {
  return closureOf((paths) => store.pathInfos(paths), roots, store.url);
}

/** Items of a source, in the order of the infos, with their realisations. */
export async function itemsOf(source: Store, infos: Iterable<PathInfo>): Promise<Item[]> {
  const all = [...infos];
  const realisations = Map.groupBy(await source.realisations(all), (r) => r.outPath);
  return all.map((info) => ({
    info,
    open: (options) => source.open(info, options),
    realisations: realisations.get(info.path),
  }));
}

/** Adds all items; the outcomes in the order they came. */
export async function addAll(store: WritableStore, items: Iterable<Item>, options?: AddOptions): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const source = (async function* () {
    yield* items;
  })();
  for await (const outcome of store.add(source, options)) outcomes.push(outcome);
  return outcomes;
}

/** Copies the closure of `roots`; the outcomes. */
export async function copyAll(
  source: Store,
  destination: WritableStore,
  roots: Iterable<StorePath>,
  options?: AddOptions,
): Promise<Outcome[]> {
  const infos = await closureInfos(source, roots);
  return addAll(destination, await itemsOf(source, infos.values()), options);
}
