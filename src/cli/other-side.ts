// What the other side of a bundle has, as the command line says it: inventories, roots that are known here, bundles.

import { lstatSync, statSync } from 'node:fs';
import { inventoryAfter } from '../bundle/inventory-after.ts';
import { isInventory, mergeInventories, parseInventory } from '../bundle/inventory.ts';
import type { Inventory } from '../bundle/inventory.ts';
import { walkClosure } from '../closure/walk.ts';
import { BaseClosure } from '../delta/base-closure.ts';
import { NarrowError } from '../errors.ts';
import { printStorePath } from '../model/store-path.ts';
import type { StoreDir } from '../model/store-path.ts';
import { Bundle } from '../store/bundle/bundle.ts';
import { volumesNamed } from '../store/bundle/volume-names.ts';
import type { Store } from '../store/store.ts';
import type { Context } from './context.ts';
import { resolveStorePath } from './installable.ts';
import { resolvePaths } from './options.ts';
import { readBytes } from './read-bytes.ts';

export interface OtherSideOptions {
  /** Files of inventories, or roots. */
  readonly for?: readonly string[];
  /** Files of bundles that are applied before. */
  readonly since?: readonly string[];
}

export interface OtherSide {
  /** Undefined: nothing is known. */
  readonly there: Inventory | undefined;
  /** Ids of the bundles. */
  readonly since: readonly string[];
}

/** All that is said of it, as one. */
export async function otherSide(source: Store, options: OtherSideOptions, context: Context): Promise<OtherSide> {
  const since: string[] = [];
  const all: Inventory[] = [];
  for (const one of options.for ?? []) all.push(await inventoryFrom(source, one, context));
  for (const file of options.since ?? []) {
    await using bundle = await Bundle.open(volumesNamed(file));
    const after = inventoryAfter(bundle);
    // what was left to caches is there, too, with all it needs
    const { infos } = await walkClosure((paths) => source.pathInfos(paths), bundle.substitutable.keys());
    all.push(after, { facts: after.facts, closure: new BaseClosure(infos.values()) });
    since.push(bundle.volumes.id);
  }
  if (all.length === 0) return { there: undefined, since };
  const there = mergeInventories(all);
  for (const path of there.differing)
    context.say(`warning: ${path} has other contents in each of what is said of the other side; it is sent`);
  return { there, since };
}

/** A file of narrow inventory, a file with the line that `--roots` prints, that line itself, or a link to a root (`./result`). */
async function inventoryFrom(source: Store, text: string, context: Context): Promise<Inventory> {
  const isPath = text.startsWith(`${source.storeDir}/`);
  const line = isPath ? text : linkedRoot(source.storeDir, text);
  const bytes = line === undefined ? await readBytes(text) : Buffer.from(line);
  if (isInventory(bytes)) return parseInventory(bytes, text);
  const words = bytes
    .toString('utf8')
    .split(/\s+/)
    .filter((word) => word !== '');
  if (words.length === 0 || !words.every((word) => word.startsWith(`${source.storeDir}/`))) parseInventory(bytes, text); // which says what is wrong with it
  const roots = await resolvePaths(source, words);
  const { infos } = await walkClosure((paths) => source.pathInfos(paths, { signal: context.signal }), roots);
  const unknown = roots.filter((root) => !infos.has(root));
  if (unknown.length > 0)
    throw new NarrowError('missing', `what ${unknown.join(', ')} needs is not known here`, {
      hint: 'have the other side write an inventory: narrow inventory -o FILE',
    });
  const facts = {
    storeDir: source.storeDir,
    stores: roots.map((root) => printStorePath(source.storeDir, root)),
    made: Date.now(),
  };
  return { facts, closure: new BaseClosure(infos.values()) };
}

/** The store path that `text` is a link to, unless it is one to a file, or to somewhere else. */
function linkedRoot(storeDir: StoreDir, text: string): string | undefined {
  const isLink = lstatSync(text, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  if (!isLink || statSync(text, { throwIfNoEntry: false })?.isFile() === true) return undefined;
  try {
    return printStorePath(storeDir, resolveStorePath(storeDir, text));
  } catch {
    return undefined;
  }
}
