// Realisations through a daemon. It answers by derivation and output, and we know output paths: the way leads through the
// deriver, whose hash is computed from its text and those of its inputs.

import { collect } from '../../bytes/source.ts';
import { MemorySink } from '../../format/nar/memory-tree.ts';
import { NarParser } from '../../format/nar/parser.ts';
import { parseDrv } from '../../format/drv.ts';
import { DerivationHasher } from '../../format/drv-hash.ts';
import type { Derivation } from '../../model/derivation.ts';
import { derivationName } from '../../model/derivation.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { Realisation, RealisationKey } from '../../model/realisation.ts';
import type { StorePath } from '../../model/store-path.ts';
import { NarrowError } from '../../errors.ts';
import { namesByPath } from '../../protocol/codec/realisation.ts';
import type { WorkerClient } from '../../protocol/worker/client.ts';
import { workerOperations as ops } from '../../protocol/worker/operations.ts';

/** Derivations larger than this are none. */
const drvLimit = 64 * 1024 * 1024;

/** The paths that may have realisations: content-addressed by their tree, and built by something. */
export function mayBeRealised(info: PathInfo): info is PathInfo & { readonly deriver: StorePath } {
  return info.ca !== undefined && info.ca.method !== 'text' && info.deriver !== undefined;
}

/**
 * Of paths whose derivation cannot be asked for, those that have a realisation for certain: fixed outputs, which are what
 * most content-addressed paths are, cannot refer to anything.
 */
export function surelyRealised(infos: readonly PathInfo[]): readonly PathInfo[] {
  return infos.filter((info) => mayBeRealised(info) && info.references.length > 0);
}

/** Reads the text of a derivation out of its NAR. */
export async function readDrvNar(
  path: StorePath,
  nar: AsyncIterable<Uint8Array>,
  storeDir: string,
): Promise<Derivation> {
  const sink = new MemorySink();
  const parser = new NarParser(sink, path);
  parser.push(await collect(nar, drvLimit));
  parser.end();
  if (sink.root?.type !== 'regular') throw new NarrowError('format', `${path} is no derivation: expected a file`);
  return parseDrv(sink.root.contents, derivationName(path), storeDir, { source: path });
}

/** Realisations whose output is one of `infos`. Derivers that are not valid there cannot be asked about: `onUnknown`. */
export async function daemonRealisations(
  client: WorkerClient,
  infos: readonly PathInfo[],
  onUnknown: (paths: readonly StorePath[]) => void,
): Promise<Realisation[]> {
  const candidates = infos.filter(mayBeRealised);
  if (candidates.length === 0 || !client.has(ops.queryRealisation as never)) return [];
  const derivers = [...new Set(candidates.map((i) => i.deriver))];
  const valid = new Set(await client.call(ops.queryValidPaths, { paths: derivers, substitute: false }));
  const unknown = surelyRealised(candidates.filter((i) => !valid.has(i.deriver)));
  if (unknown.length > 0) onUnknown(unknown.map((i) => i.path));
  const loaded = new Map<StorePath, Promise<Derivation>>();
  const loadDrv = (path: StorePath): Promise<Derivation> => {
    let drv = loaded.get(path);
    if (!drv) loaded.set(path, (drv = readDrvNar(path, client.nar(path).bytes, client.peer.storeDir)));
    return drv;
  };
  const hasher = new DerivationHasher(client.peer.storeDir, loadDrv);
  // together: one by one, each would be waited for twice
  const found = await Promise.all(
    candidates
      .filter((i) => valid.has(i.deriver))
      .map(async ({ path, deriver }) => realisationOf(client, hasher, path, deriver, await loadDrv(deriver))),
  );
  return found.filter((realisation) => realisation !== undefined);
}

async function realisationOf(
  client: WorkerClient,
  hasher: DerivationHasher,
  path: StorePath,
  drvPath: StorePath,
  drv: Derivation,
): Promise<Realisation | undefined> {
  for (const [output, { kind }] of drv.outputs) {
    if (kind !== 'floating' && kind !== 'fixed') continue;
    const key = await keyOf(client, hasher, drvPath, drv, output);
    if (!key) continue;
    const [known] = await client.call(ops.queryRealisation, { key });
    if (known?.outPath !== path) continue;
    if (known.realisation) return known.realisation;
    const { outPath, signatures = [] } = known;
    if (key.kind === 'traced') return { ...key, outPath, signatures };
    return { ...key, outPath, signatures, dependentRealisations: {} };
  }
  return undefined;
}

async function keyOf(
  client: WorkerClient,
  hasher: DerivationHasher,
  drvPath: StorePath,
  drv: Derivation,
  output: string,
): Promise<RealisationKey | undefined> {
  if (namesByPath(client.peer)) return { kind: 'traced', drvPath, output };
  // a fixed output goes by the hash that it has as an input of others
  const fixed = [...drv.outputs.values()].some((o) => o.kind === 'fixed');
  const { hash } = fixed ? await hasher.modulo(drvPath) : await hasher.masked(drv);
  return hash === undefined ? undefined : { kind: 'hashed', id: `sha256:${hash}!${output}` };
}
