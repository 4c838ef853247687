// Writes what a place lacks as files that stock Nix reads: an export stream, a static cache in a tar archive, or such an
// archive behind a script that applies it.

import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { compareBytes } from '../../bytes/byte-string.ts';
import { closureOf, inOrder } from '../../closure/walk.ts';
import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import { openCache } from '../../store/cache/opening.ts';
import { TarSink } from '../../store/bundle/tar-sink.ts';
import { closureQuery } from '../../store/closure-query.ts';
import type { Store } from '../../store/store.ts';
import { copyClosure } from '../../transfer/copy.ts';
import type { OnEvent } from '../../transfer/events.ts';
import { exportPaths } from '../../transfer/export.ts';
import { EncodedFile } from './encoded-file.ts';
import { scriptFor, trailerFor } from './script.ts';

export type CarryFormat = 'nix-export' | 'cache-tar' | 'self-extract';

export interface CarryRequest {
  readonly source: Store;
  readonly roots: readonly StorePath[];
  /** What the other side has. */
  readonly there?: ReadonlySet<StorePath> | undefined;
  readonly file: string;
  readonly format: CarryFormat;
  /** Of the whole file; not for one that applies itself. */
  readonly encoding: string;
  /** Of each NAR of a cache. */
  readonly narEncoding: string;
  readonly level?: number | undefined;
  /** The program, as it is told. */
  readonly by: string;
  readonly dryRun?: boolean | undefined;
  readonly onPlan?: ((plan: CarryPlan) => void) | undefined;
  readonly onEvent?: OnEvent | undefined;
  readonly warn: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface CarryPlan {
  /** How many paths the other side is to have. */
  readonly total: number;
  /** What is brought, references first. */
  readonly infos: ReadonlyMap<StorePath, PathInfo>;
  /** What has to be there. */
  readonly needs: readonly StorePath[];
  /** Bytes of NARs. */
  readonly narSize: number;
}

export interface CarriedAway extends CarryPlan {
  /** Bytes of the file; 0 after a dry run. */
  readonly size: number;
}

/** Throws `missing` when the source lacks a path, `integrity` when a path is not what the source says, `io`. */
export async function carryAway(request: CarryRequest): Promise<CarriedAway> {
  const { source, roots, file, encoding, level, dryRun, onPlan, signal } = request;
  await using stack = new AsyncDisposableStack();
  stack.use(await source.hold(roots));
  const closure = await closureOf(closureQuery(source, { signal }), roots, source.url);
  stack.use(await source.hold(closure.keys()));
  const plan = planOf(closure, request.there ?? new Set());
  onPlan?.(plan);
  if (dryRun) return { ...plan, size: 0 };
  const out = stack.use(await EncodedFile.create(file, encoding, { level, threads: availableParallelism(), signal }));
  if (request.format === 'nix-export') await writeExport(request, plan, out);
  else if (request.format === 'cache-tar') await writeCache(request, plan, (chunk) => out.write(chunk));
  else await writeScript(request, plan, out);
  await out.finish();
  return { ...plan, size: out.written };
}

function planOf(closure: ReadonlyMap<StorePath, PathInfo>, there: ReadonlySet<StorePath>): CarryPlan {
  // sorted first, as Nix exports them
  const fresh = [...closure].filter(([path]) => !there.has(path)).sort(([a], [b]) => compareBytes(a, b));
  const infos = inOrder(new Map(fresh));
  const needed = new Set([...infos.values()].flatMap(({ references }) => references));
  const narSize = [...infos.values()].reduce((sum, info) => sum + info.narSize, 0);
  return { total: closure.size, infos, needs: [...needed].filter((path) => !infos.has(path)).sort(), narSize };
}

async function writeExport(
  { source, onEvent, signal }: CarryRequest,
  plan: CarryPlan,
  out: EncodedFile,
): Promise<void> {
  const stream = exportPaths(source, plan.infos.values(), {
    signal,
    onBytes: (path, bytes) => onEvent?.({ type: 'bytes', path, bytes }),
    onDone: (path) => onEvent?.({ type: 'outcome', outcome: { status: 'added', path, bytes: 0 } }),
  });
  for await (const chunk of stream) await out.write(chunk);
}

/** A copy to a cache whose files go into an archive. */
async function writeCache(
  { source, narEncoding, level, file, onEvent, warn, signal }: CarryRequest,
  { infos, needs }: CarryPlan,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  const sink = new TarSink(file, write);
  const params = new URLSearchParams({ compression: narEncoding, store: source.storeDir });
  if (level !== undefined && narEncoding !== 'none') params.set('compression-level', `${level}`);
  await using destination = await openCache(sink, params, 'write', { warn, signal });
  await destination.create();
  await copyClosure({
    source,
    destination,
    roots: [...infos.keys(), ...needs],
    recursive: false,
    elsewhere: async () => new Set(needs),
    checkSignatures: false,
    onEvent,
    signal,
  });
  await sink.finish();
}

/** The script, the archive, and its SHA-256 behind it: so nothing has to be known beforehand. */
async function writeScript(request: CarryRequest, plan: CarryPlan, out: EncodedFile): Promise<void> {
  const { source, roots, by } = request;
  if (request.encoding !== 'none')
    throw new NarrowError('usage', 'a file that applies itself cannot be compressed as a whole');
  await out.write(scriptFor({ storeDir: source.storeDir, roots, by, ...plan }));
  const hash = createHash('sha256');
  await writeCache(request, plan, async (chunk) => {
    hash.update(chunk);
    await out.write(chunk);
  });
  await out.write(trailerFor(hash.digest()));
}
