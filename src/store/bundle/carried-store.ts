// Files that others write and that hold store paths, as stores: export streams, static caches in tar archives, bundles that
// apply themselves, derivations as text or JSON. Signatures and content addresses are those in the file, or follow from it.

import { basename } from 'node:path';
import { collect } from '../../bytes/source.ts';
import { inOrder } from '../../closure/walk.ts';
import { NarrowError } from '../../errors.ts';
import { derivationPath } from '../../format/drv-hash.ts';
import { parseDrvsJson } from '../../format/drv-json.ts';
import { formatDrv, maxDrvSize, parseDrv } from '../../format/drv.ts';
import type { Derivation } from '../../model/derivation.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { pathName, printStorePath, tryBaseName } from '../../model/store-path.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { listedCache } from '../cache/listed-cache.ts';
import { openCache } from '../cache/opening.ts';
import { ExportFile } from '../export-file.ts';
import type { FileEntry, RandomBytes } from '../export-file.ts';
import { scanExport } from '../export-scan.ts';
import { restoreAddress } from '../restore-address.ts';
import type { ListedStore, Store } from '../store.ts';
import { archiveOffset } from './carried-kind.ts';
import type { CarriedKind } from './carried-kind.ts';
import { openCarriedBytes } from './carried-bytes.ts';
import type { CarriedBytes } from './carried-bytes.ts';
import { derivationInfo, narOfText } from './derivations.ts';
import { TarFiles } from './tar-files.ts';

export interface CarriedOptions {
  /** That of the paths, where the file does not say. */
  readonly storeDir: StoreDir;
  /** False when nobody will ask for proof: content addresses that take another pass over a path are not looked for. */
  readonly prove?: boolean | undefined;
  readonly warn: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface Carried extends AsyncDisposable {
  readonly store: Store;
  readonly kind: CarriedKind;
  /** The file itself. */
  readonly bytes: CarriedBytes;
  /** All that it brings, references first. */
  readonly infos: ReadonlyMap<StorePath, PathInfo>;
}

/** What each kind is called. */
export const kindNames: Readonly<Record<CarriedKind, string>> = {
  bundle: 'bundle',
  script: 'bundle that applies itself',
  export: 'export stream',
  tar: 'static cache in a tar archive',
  nar: 'NAR',
  derivation: 'derivation',
  json: 'derivations as JSON',
};

/** Opens `file`, which is read through as far as is needed to know its paths. Throws `format`, `io`, `usage`. */
export async function openCarried(file: string, options: CarriedOptions): Promise<Carried> {
  await using stack = new AsyncDisposableStack();
  const bytes = stack.use(await openCarriedBytes(file, options.signal));
  const store = stack.use(await storeOf(bytes, options));
  const infos = inOrder(await store.pathInfos(await store.allPaths(), options));
  const owned = stack.move();
  return { store, kind: bytes.kind, bytes, infos, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function storeOf(bytes: CarriedBytes, options: CarriedOptions): Promise<ListedStore> {
  switch (bytes.kind) {
    case 'script':
      return cacheOf(bytes, archiveOffset(bytes.head)!, options);
    case 'tar':
      return cacheOf(bytes, 0, options);
    case 'export':
      return listed(options.storeDir, bytes, await exportEntries(bytes, options));
    case 'derivation':
      return derivationStore(bytes, await oneDerivation(bytes, options), options);
    case 'json': {
      const text = await collect(bytes.range(0, bytes.size), maxDrvSize);
      return derivationStore(bytes, parseDrvsJson(text, options.storeDir, { source: bytes.name }), options);
    }
    case 'nar':
      throw new NarrowError('usage', `${bytes.name} is a NAR, which does not say of which path it is`, {
        hint: 'narrow import --path /nix/store/… --reference /nix/store/… FILE',
      });
    case 'bundle':
      throw new NarrowError('unsupported', `${bytes.name} is a compressed bundle`, { hint: 'decompress it first' });
  }
}

async function cacheOf(bytes: CarriedBytes, offset: number, { warn, signal }: CarriedOptions): Promise<ListedStore> {
  const files = await TarFiles.open(bytes, offset);
  return listedCache(await openCache(files, new URLSearchParams(), 'read', { warn, signal }), async () =>
    files.names(),
  );
}

async function exportEntries(bytes: CarriedBytes, options: CarriedOptions): Promise<FileEntry[]> {
  const { storeDir, prove = true, signal } = options;
  const entries: FileEntry[] = [];
  for await (const object of scanExport(bytes.range(0, bytes.size), { storeDir, name: bytes.name, signal })) {
    const nar = (): ReturnType<CarriedBytes['range']> => bytes.range(object.offset, object.info.narSize);
    const ca = await restoreAddress(storeDir, object, { nar, selfReferences: prove, signal });
    entries.push({ info: ca ? { ...object.info, ca } : object.info, offset: object.offset });
  }
  return entries;
}

/** Its name is that of the file: the hash part in front, if any, does not count. */
async function oneDerivation(bytes: CarriedBytes, { storeDir }: CarriedOptions): Promise<Map<StorePath, Derivation>> {
  const text = await collect(bytes.range(0, bytes.size), maxDrvSize);
  const base = basename(bytes.name);
  const path = tryBaseName(base);
  const drv = parseDrv(text, (path ? pathName(path) : base).replace(/\.drv$/, ''), storeDir, { source: bytes.name });
  return new Map([[derivationPath(drv, storeDir), drv]]);
}

/** Paths of derivations follow from their texts; other paths are refused. */
function derivationStore(
  { name }: CarriedBytes,
  drvs: ReadonlyMap<StorePath, Derivation>,
  { storeDir }: CarriedOptions,
): ListedStore {
  const nars: Buffer[] = [];
  const entries: FileEntry[] = [];
  let offset = 0;
  for (const [said, drv] of drvs) {
    const path = derivationPath(drv, storeDir);
    if (path !== said)
      throw new NarrowError('integrity', `${name} says ${said} of a derivation whose path is ${path}`, {
        hint: `remove what was changed by hand, or the name in front of it; ${printStorePath(storeDir, path)} is what it makes`,
      });
    const text = formatDrv(drv, storeDir);
    const info = derivationInfo(path, drv, text);
    for (const chunk of narOfText(text)) nars.push(Buffer.from(chunk));
    entries.push({ info, offset });
    offset += info.narSize;
  }
  return listed(storeDir, inMemory(name, Buffer.concat(nars)), entries);
}

function inMemory(name: string, all: Buffer): RandomBytes {
  return { name, range: (offset, length) => [all.subarray(offset, offset + length)] };
}

function listed(storeDir: StoreDir, bytes: RandomBytes, entries: readonly FileEntry[]): ListedStore {
  const paths = [...new Set(entries.map(({ info }) => info.path))].sort();
  return Object.assign(new ExportFile(storeDir, bytes, entries), { allPaths: async () => paths });
}
