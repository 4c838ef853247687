// Everything that a cache has, in columns: a hundred thousand paths are a few megabytes. Made of one listing, the index, and those
// narinfos that the index does not know as they are now.

import { setImmediate } from 'node:timers/promises';
import { isNarrowError } from '../errors.ts';
import { hashPart, isHashPart } from '../model/store-path.ts';
import type { CacheStore } from '../store/cache/cache-store.ts';
import { referenceOf } from '../store/cache/files.ts';
import type { FileOptions, ListedCacheFile } from '../store/cache/files.ts';
import { collectorMark, leaseDirectory } from '../store/cache/leases.ts';
import { readNarinfo } from '../store/cache/narinfo-reader.ts';
import { forEachAtOnce } from '../store/cache/slots.ts';
import { maxIndex, parseIndex } from './index-file.ts';
import type { IndexRow } from './index-file.ts';
import { indexName } from './layout.ts';
import { maxPlain, PlainNarinfoReader } from './plain-narinfo.ts';
import { cannotList } from './roots.ts';

export type Place = Pick<CacheStore, 'files' | 'storeDir'>;

/** One NAR file; narinfos may share it. */
export interface NarEntry {
  readonly reference: string;
  /** Undefined: it is not there, or on another host. */
  readonly file: ListedCacheFile | undefined;
}

export interface Inventory {
  readonly rows: readonly IndexRow[];
  /** By row: the narinfo. */
  readonly narinfos: readonly ListedCacheFile[];
  /** Row of each hash part. */
  readonly rowOf: ReadonlyMap<string, number>;
  /** By row: rows that it refers to, itself excluded. */
  readonly references: readonly (readonly number[])[];
  /** By row: number of its NAR. */
  readonly narOf: Int32Array;
  readonly nars: readonly NarEntry[];
  /** Files below `nar/` that no narinfo names. */
  readonly orphans: readonly ListedCacheFile[];
  /** Everything else. */
  readonly others: readonly ListedCacheFile[];
  /** Narinfos that cannot be read, or are of another path than their name says. */
  readonly damaged: readonly { readonly reference: string; readonly message: string }[];
  /** Narinfos that had to be read. */
  readonly read: number;
  /** Bytes of all files, but for marks of who is at work. */
  readonly size: number;
}

export interface InventoryOptions extends FileOptions {
  /** Told of narinfos that are read. */
  readonly onRead?: ((count: number, of: number) => void) | undefined;
}

/** Throws `unsupported` where files cannot be listed. */
export async function takeInventory(place: Place, options: InventoryOptions = {}): Promise<Inventory> {
  const listing = place.files.listAll(options);
  if (!listing) throw cannotList(place.files.url);
  const narinfos = new Map<string, ListedCacheFile>();
  const rest = new Map<string, ListedCacheFile>();
  let size = 0;
  for await (const file of listing) {
    if (isPassing(file.reference)) continue;
    size += file.size;
    const part = narinfoPart(file.reference);
    if (part === undefined) rest.set(file.reference, file);
    else narinfos.set(part, file);
  }
  const { rows, damaged, read } = await readRows(place, narinfos, options);
  return { ...arrange(rows, narinfos, rest), damaged, read, size };
}

/** Of who is at work now. */
function isPassing(reference: string): boolean {
  return reference === collectorMark || reference.startsWith(`${leaseDirectory}/`);
}

/** The hash part that a narinfo's name is made of. */
export function narinfoPart(reference: string): string | undefined {
  const part = reference.endsWith('.narinfo') ? reference.slice(0, -'.narinfo'.length) : '';
  return isHashPart(part) ? part : undefined;
}

async function readRows(
  place: Place,
  narinfos: ReadonlyMap<string, ListedCacheFile>,
  options: InventoryOptions,
): Promise<{ rows: IndexRow[]; damaged: { reference: string; message: string }[]; read: number }> {
  const rows: IndexRow[] = [];
  const known = new Set<string>();
  for (const row of await readIndex(place, options)) {
    const part = hashPart(row.path);
    if (narinfos.get(part)?.version !== row.version || known.has(part)) continue;
    known.add(part);
    rows.push(row);
  }
  const unknown = [...narinfos].filter(([part]) => !known.has(part));
  const damaged: { reference: string; message: string }[] = [];
  let read = 0;
  const onRead = (): void => options.onRead?.(++read, unknown.length);
  const rest = await readPlainRows(place, unknown, options, (row) => {
    rows.push(row);
    onRead();
  });
  await forEachAtOnce(rest, place.files.concurrency, async ([part, file]) => {
    options.signal?.throwIfAborted();
    const row = await readRow(place, part, file, options);
    if (typeof row === 'string') damaged.push({ reference: file.reference, message: row });
    else if (row) rows.push(row);
    onRead();
  });
  return { rows, damaged, read: unknown.length };
}

type Unread = readonly [part: string, file: ListedCacheFile];

/** Narinfos that are read in one turn; then everything else of this process goes on. */
const turn = 128;

/** Where files are near, reading one takes less time than waiting for it would. Returns what is left to be read otherwise. */
async function readPlainRows(
  { files, storeDir }: Place,
  unknown: readonly Unread[],
  { signal }: FileOptions,
  onRow: (row: IndexRow) => void,
): Promise<readonly Unread[]> {
  if (!files.readNow) return unknown;
  const reader = new PlainNarinfoReader(storeDir);
  const rest: Unread[] = [];
  for (const [index, one] of unknown.entries()) {
    if (index % turn === 0) await setImmediate(undefined, { signal });
    const [part, { reference, version }] = one;
    const bytes = files.readNow(reference, maxPlain);
    const row = bytes && reader.read(bytes, version);
    if (row && hashPart(row.path) === part) onRow(row);
    else rest.push(one);
  }
  return rest;
}

/** A row, what is wrong with it, or undefined when it has gone meanwhile. */
export async function readRow(
  { files, storeDir }: Place,
  part: string,
  { version, reference }: ListedCacheFile,
  options: FileOptions,
): Promise<IndexRow | string | undefined> {
  try {
    const info = await readNarinfo(files, storeDir, part, options);
    if (!info) return undefined;
    const { path, references, narSize, file } = info;
    if (hashPart(path) !== part) return `${files.url}/${reference} is of ${path}`;
    return { path, version, url: file!.url, fileSize: file!.size ?? 0, narSize, references };
  } catch (error) {
    if (isNarrowError(error, 'format')) return error.message;
    throw error;
  }
}

async function readIndex({ files }: Place, options: FileOptions): Promise<IndexRow[]> {
  try {
    const bytes = await files.read(indexName, maxIndex, options);
    return bytes ? parseIndex(bytes, `${files.url}/${indexName}`) : [];
  } catch (error) {
    // a hint: without it everything is read
    if (isNarrowError(error, 'format')) return [];
    throw error;
  }
}

function arrange(
  rows: readonly IndexRow[],
  narinfos: ReadonlyMap<string, ListedCacheFile>,
  rest: Map<string, ListedCacheFile>,
): Omit<Inventory, 'damaged' | 'read' | 'size'> {
  const rowOf = new Map(rows.map(({ path }, row) => [hashPart(path), row]));
  const nars: NarEntry[] = [];
  const numbers = new Map<string, number>();
  const narOf = Int32Array.from(rows, ({ url }) => {
    const reference = narReference(url);
    const known = numbers.get(reference);
    if (known !== undefined) return known;
    numbers.set(reference, nars.length);
    return nars.push({ reference, file: rest.get(reference) }) - 1;
  });
  const others: ListedCacheFile[] = [];
  const orphans: ListedCacheFile[] = [];
  for (const file of rest.values()) {
    if (numbers.has(file.reference)) continue;
    if (file.reference.startsWith('nar/')) orphans.push(file);
    else others.push(file);
  }
  const byPath = new Map(rows.map(({ path }, row) => [path, row]));
  const references = rows.map((row, own) => {
    const numbers: number[] = [];
    for (const reference of row.references) {
      const number = byPath.get(reference);
      if (number !== undefined && number !== own) numbers.push(number);
    }
    return numbers;
  });
  return {
    rows,
    narinfos: rows.map(({ path }) => narinfos.get(hashPart(path))!),
    rowOf,
    references,
    narOf,
    nars,
    orphans,
    others,
  };
}

/** A URL of a narinfo as listings have it: without query, and without detours. */
export function narReference(url: string): string {
  if (/^https?:/i.test(url)) return url;
  if (/^nar\/[0-9a-z]+\.nar(?:\.[0-9a-z]+)?$/.test(url)) return url;
  const bare = url.replace(/[?#].*$/s, '');
  const names = bare.split('/').filter((name) => name !== '' && name !== '.');
  try {
    return referenceOf(decodeURIComponent(names.join('/')));
  } catch {
    return bare;
  }
}
