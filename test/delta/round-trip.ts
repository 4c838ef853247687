// Both sides of a delta, one after the other in memory.

import { collect } from '../../src/bytes/source.ts';
import { decodeDelta, encodeDelta } from '../../src/delta/stream.ts';
import type { DeltaItem, DeltaTarget, EncodeDeltaOptions, PathReport } from '../../src/delta/stream.ts';
import { packNar } from '../../src/format/nar/pack.ts';
import type { SyncFileTree } from '../../src/format/nar/tree.ts';

/** A path with trees as bases, as both sides see it. */
export interface TestPath extends DeltaItem {
  readonly bases: readonly SyncFileTree[];
}

export interface Received {
  readonly name: string;
  /** The NAR, or why there is none. */
  readonly nar: Buffer | Error;
  readonly report: PathReport;
}

export const encoded = (items: Iterable<DeltaItem>, options?: EncodeDeltaOptions): Promise<Buffer> =>
  collect(encodeDelta(items, options));

export const narOf = (tree: SyncFileTree): Promise<Buffer> => collect(packNar(tree));

/** What the receiver has to know of the paths. */
export async function targetsOf(paths: Iterable<TestPath>): Promise<DeltaTarget[]> {
  const targets: DeltaTarget[] = [];
  for (const { name, fresh, bases } of paths) targets.push({ name, bases, narSize: (await narOf(fresh)).length });
  return targets;
}

/** Reads a delta to its end; errors of single paths are results. */
export async function received(
  delta: Uint8Array,
  targets: Iterable<DeltaTarget>,
  pieceSize = 1000,
): Promise<Received[]> {
  const results: Received[] = [];
  for await (const { target, nar, report } of decodeDelta(pieces(delta, pieceSize), targets)) {
    const result = await collect(nar).catch((error: unknown) => error as Error);
    results.push({ name: target.name, nar: result, report: report() });
  }
  return results;
}

export function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
