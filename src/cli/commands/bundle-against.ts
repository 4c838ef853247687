// What keeps a file from being applied to a store, or to what an inventory says of one.

import { readFile } from 'node:fs/promises';
import type { Brought } from '../../bundle/brought.ts';
import { isInventory, parseInventory } from '../../bundle/inventory.ts';
import { obstacleLines, verifyAgainstInventory, verifyAgainstStore } from '../../bundle/verify.ts';
import type { Applicability } from '../../bundle/verify.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StoreDir } from '../../model/store-path.ts';
import { openWritable } from '../../store/open.ts';
import type { Context, TrustOptions } from '../context.ts';
import { openContext } from '../context.ts';
import { count, formatBytes } from '../output/human.ts';

export interface AgainstOptions extends TrustOptions {
  readonly against?: string;
}

/** Whether all of it will apply to the place that is named; undefined when none is. */
export async function against(
  brought: Brought,
  options: AgainstOptions,
  context: Context,
): Promise<Applicability | undefined> {
  const { against: place, checkSigs: checkSignatures = true } = options;
  if (place === undefined) return undefined;
  const bytes = await readFile(place).catch(() => undefined);
  if (bytes && isInventory(bytes))
    return verifyAgainstInventory(brought, parseInventory(bytes, place), { checkSignatures });
  await using store = await openWritable(place, openContext(context, options));
  return await verifyAgainstStore(brought, store, { checkSignatures, signal: context.signal });
}

export function againstLines({ obstacles, valid, fetched, narSize }: Applicability, place: string): string[] {
  const there =
    (valid > 0 ? `; ${count(valid, 'path')} are there` : '') +
    (fetched > 0 ? `; ${count(fetched, 'path')} come from caches` : '');
  if (obstacles.length === 0)
    return [`it will apply completely to ${place}: ${formatBytes(narSize)} to be added${there}`];
  return [`it will not apply to ${place}:`, ...obstacleLines(obstacles).map((line) => `  ${line}`)];
}

export function againstJson(
  { obstacles, valid, fetched, narSize }: Applicability,
  { storeDir }: { readonly storeDir: StoreDir },
): Record<string, unknown> {
  const named = obstacles.map(({ path, ...rest }) => ({ ...rest, path: path && printStorePath(storeDir, path) }));
  return { obstacles: named, valid, fetched, narSize };
}
