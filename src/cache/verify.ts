// Is a cache what it says? Beside contents and signatures of paths: files that are named and not there, references that
// neither it nor its upstreams have, records of what is not there, and what lies about unnamed.

import { createHash } from 'node:crypto';
import { NarrowError, isNarrowError } from '../errors.ts';
import { parseRealisation, parseRealisationFileName, realisationDirs } from '../format/realisation-json.ts';
import { equalHash, formatHash } from '../model/hash.ts';
import type { PathInfo } from '../model/path-info.ts';
import type { TrustedKeys } from '../model/signature.ts';
import type { StorePath } from '../model/store-path.ts';
import { hashPart } from '../model/store-path.ts';
import type { CacheStore } from '../store/cache/cache-store.ts';
import type { FileOptions } from '../store/cache/files.ts';
import type { OpenNar, OpenOptions, Store } from '../store/store.ts';
import { forward } from '../store/wrap/forward.ts';
import { verifyPaths } from '../transfer/verify.ts';
import type { ProblemKind } from '../transfer/verify.ts';
import { deltaReference } from '../store/cache/delta-list.ts';
import { allDeltas, deltaProblems, findDeltas } from './deltas/survey.ts';
import { takeInventory } from './inventory.ts';
import type { Inventory } from './inventory.ts';
import { uselessLogs } from './logs.ts';
import { generationText } from './record.ts';
import { readRoots } from './roots.ts';
import type { Roots } from './roots.ts';

export type CacheProblemKind =
  | ProblemKind
  /** A narinfo that cannot be read. */
  | 'narinfo'
  /** A file that is named, and is not there or of another size. */
  | 'file'
  /** A reference that neither the cache nor an upstream has. */
  | 'closure'
  /** A delta that is listed, and is not there or damaged, or a list of them that cannot be read. */
  | 'delta'
  /** A pin, a generation, a realisation or a note that is damaged or names what is not there. */
  | 'record';

export interface CacheProblem {
  readonly kind: CacheProblemKind;
  /** Undefined where the file belongs to no path. */
  readonly path: StorePath | undefined;
  /** In the cache. */
  readonly file: string;
  readonly message: string;
  /** What is named, and not there. */
  readonly absent?: StorePath | undefined;
}

export interface VerifyCacheRequest extends FileOptions {
  readonly store: CacheStore;
  /** Asked for references that the cache lacks. */
  readonly upstreams: readonly Store[];
  /** Read and hash all NARs. */
  readonly contents: boolean;
  /** Ask for signatures by these. */
  readonly trustedKeys: TrustedKeys | undefined;
  readonly onProblem: (problem: CacheProblem) => void;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

export interface CacheVerified {
  readonly paths: number;
  /** NARs, build logs and unfinished files that nothing names: no fault, a collection removes them. */
  readonly leftovers: { readonly files: number; readonly bytes: number };
}

export async function verifyCache(request: VerifyCacheRequest): Promise<CacheVerified> {
  const inventory = await takeInventory(request.store, request);
  const roots = await readRoots(request.store, request);
  for (const { reference, message } of inventory.damaged) tell(request, 'narinfo', reference, message);
  checkFiles(request, inventory);
  await checkClosure(request, inventory);
  const deltas = await checkDeltas(request, inventory);
  checkRoots(request, inventory, roots, deltas);
  await checkRealisations(request, inventory);
  await checkPaths(request, inventory);
  const unfinished = inventory.others.filter((file) => /\.tmp\.\d+\.\d+$/.test(file.reference));
  const unnamed = [
    ...inventory.orphans,
    ...unfinished,
    ...(await uselessLogs(request.store, inventory, undefined, request)),
  ];
  const leftovers = { files: unnamed.length, bytes: unnamed.reduce((sum, file) => sum + file.size, 0) };
  return { paths: inventory.rows.length + inventory.damaged.length, leftovers };
}

function tell(
  { onProblem }: VerifyCacheRequest,
  kind: CacheProblemKind,
  file: string,
  message: string,
  { path, absent }: { readonly path?: StorePath; readonly absent?: StorePath } = {},
): void {
  onProblem({ kind, path, file, message, absent });
}

function checkFiles(request: VerifyCacheRequest, { rows, narOf, nars, narinfos }: Inventory): void {
  for (const [row, { path, fileSize }] of rows.entries()) {
    const { file, reference } = nars[narOf[row]!]!;
    // on another host
    if (/^https?:/i.test(reference)) continue;
    const narinfo = narinfos[row]!.reference;
    if (!file) tell(request, 'file', narinfo, `its NAR ${reference} is not there`, { path });
    else if (fileSize !== 0 && file.size !== fileSize)
      tell(request, 'file', narinfo, `its NAR ${reference} has ${file.size} bytes, not ${fileSize}`, { path });
  }
}

async function checkClosure(request: VerifyCacheRequest, { rows, rowOf, narinfos }: Inventory): Promise<void> {
  const absent = new Map<StorePath, number>();
  for (const [row, { references }] of rows.entries())
    for (const reference of references) if (!rowOf.has(hashPart(reference))) absent.set(reference, row);
  for (const upstream of request.upstreams) {
    if (absent.size === 0) return;
    for (const path of (await upstream.pathInfos([...absent.keys()], request)).keys()) absent.delete(path);
  }
  for (const [reference, row] of absent)
    tell(request, 'closure', narinfos[row]!.reference, `it refers to ${reference}, which is not there`, {
      path: rows[row]!.path,
      absent: reference,
    });
}

/** Returns the paths that deltas lead to: those that are there as such alone are there. */
async function checkDeltas(request: VerifyCacheRequest, { others }: Inventory): Promise<ReadonlySet<StorePath>> {
  const found = await findDeltas(request.store, others, request);
  for (const { reference, message } of deltaProblems(found)) tell(request, 'delta', reference, message);
  for (const delta of request.contents ? allDeltas(found) : []) {
    const reference = deltaReference(delta);
    const opened = await request.store.files.open(reference, request);
    if (!opened) continue;
    const hasher = createHash('sha256');
    for await (const chunk of opened.bytes) {
      hasher.update(chunk);
      request.onBytes?.(chunk.length);
    }
    const got = { algo: 'sha256', bytes: hasher.digest() } as const;
    if (!equalHash(got, delta.fileHash)) tell(request, 'delta', reference, `it has the hash ${formatHash(got)}`);
  }
  return new Set(allDeltas(found).flatMap(({ to }) => to));
}

function checkRoots(
  request: VerifyCacheRequest,
  { rowOf }: Inventory,
  roots: Roots,
  deltas: ReadonlySet<StorePath>,
): void {
  for (const { reference, message } of roots.damaged) tell(request, 'record', reference, message);
  const { trustedKeys: keys, store } = request;
  for (const generation of [...roots.names.values()].flat()) {
    const text = generationText(store.storeDir, generation);
    if (keys && !generation.signatures.some((signature) => keys.verifies(text, signature)))
      tell(request, 'signatures', generation.reference, 'it has no valid signature by a trusted key');
  }
  for (const record of [...roots.pins, ...[...roots.names.values()].flat()])
    for (const path of record.paths)
      if (!rowOf.has(hashPart(path)) && !deltas.has(path))
        tell(request, 'record', record.reference, `it names ${path}, which is not there`, { absent: path });
}

async function checkRealisations(request: VerifyCacheRequest, { others, rowOf }: Inventory): Promise<void> {
  const directories = Object.values(realisationDirs);
  for (const { reference } of others) {
    if (!reference.endsWith('.doi') || !directories.some((one) => reference.startsWith(`${one}/`))) continue;
    const bytes = await request.store.files.read(reference, 1 << 20, request);
    if (!bytes) continue;
    try {
      const { outPath } = parseRealisation(bytes, parseRealisationFileName(decodeURIComponent(reference)), {
        source: reference,
      });
      if (!rowOf.has(hashPart(outPath)))
        tell(request, 'record', reference, `it names ${outPath}, which is not there`, { absent: outPath });
    } catch (error) {
      if (!isNarrowError(error, 'format')) throw error;
      tell(request, 'record', reference, error.message);
    }
  }
}

/** Contents and signatures. A NAR that is not there was told already. */
async function checkPaths(request: VerifyCacheRequest, { rows, narOf, nars }: Inventory): Promise<void> {
  const { store, contents, trustedKeys, signal } = request;
  const there = rows.filter((_, row) => nars[narOf[row]!]!.file || /^https?:/i.test(nars[narOf[row]!]!.reference));
  const batch = 512;
  for (let at = 0; at < there.length; at += batch) {
    const infos = await store.pathInfos(
      there.slice(at, at + batch).map(({ path }) => path),
      { signal },
    );
    const trust = trustedKeys && { keys: trustedKeys, signatures: 0 };
    const onBytes = (_: StorePath, bytes: number): void => request.onBytes?.(bytes);
    for await (const report of verifyPaths({
      store: checkingFiles(store),
      infos: infos.values(),
      contents,
      trust,
      onBytes,
      signal,
    }))
      for (const { kind, message } of report.problems)
        tell(request, kind, `${hashPart(report.path)}.narinfo`, message, { path: report.path });
  }
}

/** The same store, whose NAR files have to have the hash that their narinfos say. */
function checkingFiles(store: CacheStore): CacheStore {
  return forward(store, {
    async open(info: PathInfo, options?: OpenOptions): Promise<OpenNar> {
      const opened = await store.open(info, options);
      const expected = opened.hash;
      if (!expected || expected.algo !== 'sha256') return opened;
      const bytes = (async function* (): AsyncGenerator<Uint8Array, void, undefined> {
        const hasher = createHash('sha256');
        for await (const chunk of opened.bytes) {
          hasher.update(chunk);
          yield chunk;
        }
        const got = { algo: 'sha256', bytes: hasher.digest() } as const;
        if (equalHash(got, expected)) return;
        const contrast = `expected ${formatHash(expected)}, got ${formatHash(got)}`;
        throw new NarrowError('integrity', `its file ${info.file!.url} has another hash: ${contrast}`);
      })();
      return { ...opened, bytes, local: undefined };
    },
  });
}
