// Importing: what streams lose is restored, everything that speaks against it is told, and only then it is a copy.

import { NarrowError } from '../errors.ts';
import type { PathInfo } from '../model/path-info.ts';
import { isContentAddressed, sortedUnique } from '../model/path-info.ts';
import { equalHash } from '../model/hash.ts';
import type { TrustedKeys } from '../model/signature.ts';
import type { StoreDir, StorePath } from '../model/store-path.ts';
import { ExportFile } from '../store/export-file.ts';
import type { RandomBytes } from '../store/export-file.ts';
import type { WritableStore } from '../store/store.ts';
import { copyClosure } from './copy.ts';
import type { CopyResult } from './copy.ts';
import type { OnEvent } from './events.ts';
import type { ScannedObject } from '../store/export-scan.ts';
import { restoreAddress } from '../store/restore-address.ts';

/** What others know of paths: a file of path infos, a cache. Misses are absent. */
export type Evidence = (paths: readonly StorePath[]) => Promise<ReadonlyMap<StorePath, PathInfo>>;

export interface ImportRequest {
  readonly destination: WritableStore;
  /** Where the objects lie. */
  readonly bytes: RandomBytes;
  /** In the order of the stream. */
  readonly objects: readonly ScannedObject[];
  readonly evidence: readonly Evidence[];
  /** Of the destination: what it trusts anyway needs no other proof. */
  readonly trustedKeys: TrustedKeys;
  readonly checkSignatures: boolean;
  readonly dryRun?: boolean;
  readonly onEvent?: OnEvent | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Imports `objects`. Throws `missing` with all references that are nowhere, and `refused` with all paths that lack a
 * signature, before anything is written.
 */
export async function importObjects(request: ImportRequest): Promise<CopyResult> {
  const { destination, bytes, signal, onEvent, dryRun, checkSignatures } = request;
  const objects = expectUnique(request.objects);
  const paths = [...objects.keys()];
  await using _hold = await destination.hold(
    new Set([...objects.values()].flatMap((o) => [o.info.path, ...o.info.references])),
  );
  await expectReferences(destination, new Map([...objects].map(([path, { info }]) => [path, info])), { signal });
  onEvent?.({ type: 'phase', text: 'looking for signatures and content addresses' });
  const infos = await completed(request, [...objects.values()]);
  const entries = infos.map((info) => ({ info, offset: objects.get(info.path)!.offset }));
  await using source = new ExportFile(destination.storeDir, bytes, entries);
  return await copyClosure({
    source,
    destination,
    roots: paths,
    recursive: false,
    checkSignatures,
    dryRun: dryRun ?? false,
    onEvent,
    signal,
  });
}

/** A stream may hold a path twice, but only the same. */
function expectUnique(objects: readonly ScannedObject[]): Map<StorePath, ScannedObject> {
  const unique = new Map<StorePath, ScannedObject>();
  for (const object of objects) {
    const { path, narHash } = object.info;
    const before = unique.get(path);
    if (!before) unique.set(path, object);
    else if (!equalHash(before.info.narHash, narHash)) {
      const offsets = [before.offset, object.offset];
      throw new NarrowError(
        'format',
        `${path} is in the stream twice with different contents, at offsets ${offsets.join(' and ')}`,
        {
          data: { path, offsets },
        },
      );
    }
  }
  return unique;
}

/** Throws `missing` unless every reference of `infos`, which are in `where`, is among them or valid at the destination. */
export async function expectReferences(
  destination: WritableStore,
  infos: ReadonlyMap<StorePath, PathInfo>,
  { where = 'the stream', signal }: { readonly where?: string; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const needed = new Map<StorePath, StorePath>();
  for (const { path, references } of infos.values())
    for (const reference of references) if (!infos.has(reference)) needed.set(reference, path);
  if (needed.size === 0) return;
  const there = await destination.pathInfos(needed.keys(), { signal });
  const missing = [...needed].filter(([path]) => !there.has(path));
  if (missing.length === 0) return;
  const shown = missing.slice(0, 20).map(([path, referrer]) => `\n  ${path}, needed by ${referrer}`);
  const more = missing.length > 20 ? `\n  and ${missing.length - 20} more` : '';
  throw new NarrowError(
    'missing',
    `${missing.length === 1 ? 'a reference is' : `${missing.length} references are`} neither in ${where} nor in ${destination.url}:${shown.join('')}${more}`,
    {
      hint: 'nothing was imported; export the whole closure (narrow export -r), or copy these paths first',
      data: { missing: missing.map(([path]) => path) },
    },
  );
}

/** The infos with everything that is known elsewhere or follows from the contents. */
async function completed(request: ImportRequest, objects: readonly ScannedObject[]): Promise<PathInfo[]> {
  const books = await Promise.all(request.evidence.map((ask) => ask(objects.map((object) => object.info.path))));
  const infos: PathInfo[] = [];
  for (const object of objects) {
    const known = books.flatMap((book) => book.get(object.info.path) ?? []);
    const info = withEvidence(request, object.info, known);
    infos.push(info.ca ? info : await withAddress(request, { ...object, info }));
  }
  return infos;
}

/** Takes over what was said of the very same object, and says so when it is another. */
function withEvidence({ destination, onEvent }: ImportRequest, info: PathInfo, known: readonly PathInfo[]): PathInfo {
  const { storeDir } = destination;
  return known.reduce((all, other) => {
    if (sameObject(all, other)) return merged(storeDir, all, other);
    onEvent?.({
      type: 'warning',
      text: `${info.path} has other contents or references in the stream: signatures are not taken over`,
    });
    return all;
  }, info);
}

function sameObject(a: PathInfo, b: PathInfo): boolean {
  const sameReferences =
    a.references.length === b.references.length && a.references.every((r, i) => r === b.references[i]);
  return equalHash(a.narHash, b.narHash) && a.narSize === b.narSize && sameReferences;
}

function merged(storeDir: StoreDir, info: PathInfo, other: PathInfo): PathInfo {
  const ca = info.ca ?? (isContentAddressed(storeDir, other) ? other.ca : undefined);
  const signatures = sortedUnique([...info.signatures, ...other.signatures]);
  return { ...info, deriver: info.deriver ?? other.deriver, ca, signatures };
}

async function withAddress(request: ImportRequest, object: ScannedObject): Promise<PathInfo> {
  const { destination, bytes, trustedKeys, checkSignatures, signal } = request;
  const { info, offset } = object;
  const trusted = !checkSignatures || trustedKeys.validSignatures(destination.storeDir, info).length > 0;
  const ca = await restoreAddress(destination.storeDir, object, {
    nar: () => bytes.range(offset, info.narSize),
    selfReferences: !trusted,
    signal,
  });
  return ca ? { ...info, ca } : info;
}
