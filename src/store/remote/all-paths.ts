// Everything that a store has, asked over a connection made for this one question.

import type { StoreDir, StorePath } from '../../model/store-path.ts';
import type { Duplex } from '../../protocol/duplex.ts';
import { WorkerClient } from '../../protocol/worker/client.ts';
import { workerOperations as ops } from '../../protocol/worker/operations.ts';

/** Every valid path, sorted, of the store behind a `nix-daemon --stdio`. */
export async function allPathsOf(duplex: Duplex, storeDir: StoreDir): Promise<readonly StorePath[]> {
  await using client = await WorkerClient.open(duplex, { storeDir });
  return [...(await client.call(ops.queryAllValidPaths, undefined))].sort();
}
