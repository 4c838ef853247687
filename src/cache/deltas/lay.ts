// Making a delta from one generation to another, and laying it into a cache: first its file, then what its bases are, then
// the entry by which it is found. docs/formats/cache-deltas.md describes them.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { closureOf } from '../../closure/walk.ts';
import { pairClosures } from '../../closure/pairing.ts';
import { BaseClosure, inventoryColumns, writeInventory } from '../../delta/base-closure.ts';
import { ColumnWriter } from '../../delta/columns.ts';
import { packingTools } from '../../delta/recompress/member.ts';
import type { PathReport } from '../../delta/report.ts';
import { NarrowError } from '../../errors.ts';
import { spoolDirectory } from '../../fs/state-directory.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { signPathInfo } from '../../model/signature.ts';
import type { StorePath } from '../../model/store-path.ts';
import { closureQuery } from '../../store/closure-query.ts';
import { writeBundle } from '../../store/bundle/write-bundle.ts';
import type { CacheStore } from '../../store/cache/cache-store.ts';
import { digestOf } from '../../store/cache/choose-delta.ts';
import {
  basesReference,
  deltaReference,
  listReference,
  readDeltaList,
  writeDeltaList,
} from '../../store/cache/delta-list.ts';
import type { ListedDelta } from '../../store/cache/delta-list.ts';
import { mediaTypes } from '../../store/cache/files.ts';
import { packColumns } from '../../store/narrow/packed-columns.ts';
import type { Store } from '../../store/store.ts';
import type { BaseRoots } from './bases.ts';

export interface LayRequest {
  /** Has both closures. */
  readonly source: Store;
  readonly cache: CacheStore;
  readonly roots: readonly StorePath[];
  /** The program, as it is told. */
  readonly by: string;
  /** Also lay what tells the bases to who has only some of them. */
  readonly partial: boolean;
  readonly onPath?: ((info: PathInfo, report: PathReport) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LaidDelta extends ListedDelta {
  readonly reports: ReadonlyMap<StorePath, PathReport>;
}

/** Larger files are streamed. */
const smallFile = 16 * 2 ** 20;
/** Two who push at once may replace the same list; who sees that writes again. */
const listAttempts = 5;

/**
 * Undefined when nothing is new beside `from`, or that delta is there already. Throws `missing` when the source lacks some of
 * the closures, `integrity` when it is damaged.
 */
export async function layDelta(request: LayRequest, from: BaseRoots): Promise<LaidDelta | undefined> {
  const { source, cache, roots, signal } = request;
  const listed = await readDeltaList(cache, roots[0]!, { signal });
  if (listed.some((one) => one.to.join() === roots.join() && one.from.join() === from.join())) return undefined;
  await using stack = new AsyncDisposableStack();
  const old = await closureHere(source, from, stack, signal);
  const closure = await closureHere(source, roots, stack, signal);
  const directory = await mkdtemp(join(spoolDirectory(), 'delta-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const fresh = new Map([...closure].filter(([path]) => !old.has(path)));
  if (fresh.size === 0) return undefined;
  const base = new BaseClosure(old.values());
  const all = pairClosures({ fresh: closure, freshRoots: roots, old, oldRoots: from });
  const { file, reports } = await writeDelta(request, {
    fresh,
    pairs: new Map([...fresh.keys()].map((path) => [path, all.get(path) ?? []])),
    base,
    file: join(directory, 'delta'),
  });
  const { hash, size } = await hashOf(file);
  const narSize = [...fresh.values()].reduce((sum, info) => sum + info.narSize, 0);
  const delta = {
    to: roots,
    from,
    base: digestOf(base),
    fileHash: { algo: 'sha256', bytes: hash },
    fileSize: size,
    paths: fresh.size,
    narSize,
  } as const;
  await upload(request, delta, base, file);
  return { ...delta, reports };
}

async function closureHere(
  source: Store,
  roots: BaseRoots,
  stack: AsyncDisposableStack,
  signal: AbortSignal | undefined,
): Promise<Map<StorePath, PathInfo>> {
  stack.use(await source.hold(roots));
  const closure = await closureOf(closureQuery(source, { signal }), roots, source.url);
  stack.use(await source.hold(closure.keys()));
  return closure;
}

interface Contents {
  readonly fresh: ReadonlyMap<StorePath, PathInfo>;
  readonly pairs: ReadonlyMap<StorePath, readonly StorePath[]>;
  readonly base: BaseClosure;
  readonly file: string;
}

/** Infos are signed as narinfos are that are written by this cache's keys. */
async function writeDelta(
  { source, cache, roots, by, onPath, signal }: LayRequest,
  { fresh, pairs, base, file }: Contents,
): Promise<{ readonly file: string; readonly reports: ReadonlyMap<StorePath, PathReport> }> {
  const { secretKeys: keys } = cache.params;
  const { storeDir } = source;
  const signed = new Map([...fresh].map(([path, info]) => [path, signPathInfo(storeDir, info, keys)]));
  const more = { made: Date.now(), by, for: [], since: [], withoutBase: 0 };
  const about = { storeDir, roots, ...more, base: digestOf(base) };
  const written = await writeBundle({
    source,
    about,
    fresh: signed,
    pairs,
    needs: base,
    // a client that packs otherwise fetches such a path whole
    tools: new Set(packingTools()),
    file,
    level: 'best',
    onPath,
    signal,
  });
  return { file: written.files[0]!, reports: written.reports };
}

async function hashOf(file: string): Promise<{ readonly hash: Uint8Array; readonly size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { hash: hash.digest(), size };
}

async function upload(
  { cache, partial, signal }: LayRequest,
  delta: ListedDelta,
  base: BaseClosure,
  file: string,
): Promise<void> {
  const { files } = cache;
  const options = { signal };
  await cache.create();
  if (partial) {
    const columns = new ColumnWriter(inventoryColumns);
    writeInventory(base, columns);
    await files.write(basesReference(delta.base), await packColumns(columns), mediaTypes.binary, options);
  }
  if (delta.fileSize <= smallFile)
    await files.write(deltaReference(delta), await readFile(file), mediaTypes.binary, options);
  else await stream(cache, delta, file, options);
  for (const root of delta.to) await list(cache, root, delta, options);
}

/** What is staged gets its name in a directory that is there: the list, written as it is, sees to that. */
async function stream(
  cache: CacheStore,
  delta: ListedDelta,
  file: string,
  options: { readonly signal: AbortSignal | undefined },
): Promise<void> {
  const reference = listReference(delta.to[0]!);
  const known = await cache.files.read(reference, 1 << 20, options);
  await cache.files.write(reference, known ?? new Uint8Array(), mediaTypes.text, options);
  await using staged = await cache.files.stage(options);
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) await staged.write(chunk);
  await staged.commit(deltaReference(delta), mediaTypes.binary, options);
}

async function list(
  cache: CacheStore,
  root: StorePath,
  delta: ListedDelta,
  options: { readonly signal: AbortSignal | undefined },
): Promise<void> {
  const reference = listReference(root);
  const ways = (one: ListedDelta): string => `${one.from.join()} ${one.to.join()}`;
  for (let attempt = 0; attempt < listAttempts; attempt++) {
    const before = await readDeltaList(cache, root, options);
    if (before.some((one) => deltaReference(one) === deltaReference(delta))) return;
    const others = before.filter((one) => ways(one) !== ways(delta));
    await writeDeltaList(cache, reference, [...others, delta], options);
  }
  throw new NarrowError('unavailable', `${cache.url}/${reference} is written by others again and again`);
}
