// What a cache is to keep: pins, generations of names, and when what was pushed. Read together, for who collects and who lists.

import { randomUUID } from 'node:crypto';
import { NarrowError } from '../errors.ts';
import type { StorePath } from '../model/store-path.ts';
import { hashPart } from '../model/store-path.ts';
import type { CacheStore } from '../store/cache/cache-store.ts';
import type { FileOptions } from '../store/cache/files.ts';
import { mediaTypes } from '../store/cache/files.ts';
import { checkRootName, latest, namesDirectory, pinsDirectory, pushesDirectory } from './layout.ts';
import { formatRecord, isGeneration, maxRecord, parseRecord } from './record.ts';
import type { Generation, RootRecord } from './record.ts';

type Place = Pick<CacheStore, 'files' | 'storeDir'>;

/** A record with its file, and when that was written by the place's clock, in milliseconds. */
export type Kept<T extends RootRecord = RootRecord> = T & { readonly reference: string; readonly written: number };

export interface Roots {
  readonly pins: readonly Kept[];
  /** By name, the newest first. */
  readonly names: ReadonlyMap<string, readonly Kept<Generation>[]>;
  readonly pushes: readonly Kept[];
  /** Records that cannot be read. */
  readonly damaged: readonly { readonly reference: string; readonly message: string }[];
}

export async function readRoots(store: Place, options: FileOptions = {}): Promise<Roots> {
  const damaged: { reference: string; message: string }[] = [];
  const read = (directory: string): Promise<Kept[]> => readRecords(store, directory, damaged, options);
  const [pins, generations, pushes] = [
    await read(pinsDirectory),
    await read(namesDirectory),
    await read(pushesDirectory),
  ];
  const numbered = generations.filter(
    (record): record is Kept<Generation> => isGeneration(record) && !record.reference.endsWith(`/${latest}`),
  );
  const names = Map.groupBy(
    numbered.sort((a, b) => b.generation - a.generation),
    (record) => record.name,
  );
  return { pins, names, pushes, damaged };
}

async function readRecords(
  { files, storeDir }: Place,
  directory: string,
  damaged: { reference: string; message: string }[],
  options: FileOptions,
): Promise<Kept[]> {
  const records: Kept[] = [];
  const references = files.list(directory, options);
  if (!references) throw cannotList(files.url);
  for await (const reference of references) {
    if (reference.includes('.tmp.')) continue;
    try {
      const bytes = await files.read(reference, maxRecord, options);
      const written = (await files.stat(reference, options))?.modified;
      if (!bytes) continue;
      const record = parseRecord(storeDir, bytes, `${files.url}/${reference}`);
      records.push({ ...record, reference, written: written ?? record.time * 1000 });
    } catch (error) {
      if (!(error instanceof NarrowError) || error.code !== 'format') throw error;
      damaged.push({ reference, message: error.message });
    }
  }
  return records;
}

export function cannotList(url: string): NarrowError {
  return new NarrowError('unsupported', `the files of ${url} cannot be listed`, {
    hint: 'run this where the files are: narrow cache … /srv/cache',
  });
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

/** Keeps the paths, and all they need, until the pin is taken away. Replaces a pin of that name. */
export async function addPin(
  { files, storeDir }: Place,
  name: string,
  paths: readonly StorePath[],
  options: FileOptions = {},
): Promise<void> {
  const record = { name: checkRootName(name), time: now(), paths, signatures: [] };
  const bytes = Buffer.from(formatRecord(storeDir, record));
  await files.write(`${pinsDirectory}/${name}`, bytes, mediaTypes.text, options);
}

/** The name of a pin that was given none: a path's own, without what names of files do not take. */
export function pinName(path: StorePath): string {
  return hashPart(path) + path.slice(32).replaceAll(/[^A-Za-z0-9._+-]/g, '_');
}

/** Notes that these paths were pushed now: what was there already counts as used. */
export async function addPush(
  { files, storeDir }: Place,
  paths: readonly StorePath[],
  options: FileOptions = {},
): Promise<void> {
  const time = now();
  const bytes = Buffer.from(formatRecord(storeDir, { time, paths, signatures: [] }));
  const reference = `${pushesDirectory}/${time}-${randomUUID().slice(0, 8)}`;
  await files.write(reference, bytes, mediaTypes.text, options);
}
