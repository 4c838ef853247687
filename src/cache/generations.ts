// Names of a cache: `narrow/names/NAME/1`, `2` … each written once and signed, and `latest`, a copy of the newest for who
// cannot list files. Two who push at once get two numbers; who wrote `latest` last may have the smaller one, so
// readers look whether the next number is there.

import { NarrowError } from '../errors.ts';
import { signText } from '../model/signature.ts';
import type { SecretKey } from '../model/signature.ts';
import type { StorePath } from '../model/store-path.ts';
import type { CacheStore } from '../store/cache/cache-store.ts';
import type { FileOptions } from '../store/cache/files.ts';
import { mediaTypes } from '../store/cache/files.ts';
import { latest, namesDirectory } from './layout.ts';
import { formatRecord, generationText, isGeneration, maxRecord, parseRecord, signGeneration } from './record.ts';
import type { Generation } from './record.ts';

export function generationReference(name: string, generation: number | typeof latest): string {
  return `${namesDirectory}/${name}/${generation}`;
}

/** A generation; undefined when there is none. Throws `format` for a file that says it is another. */
export async function readGeneration(
  { files, storeDir }: Pick<CacheStore, 'files' | 'storeDir'>,
  name: string,
  number: number | typeof latest,
  options: FileOptions = {},
): Promise<Generation | undefined> {
  const reference = generationReference(name, number);
  const bytes = await files.read(reference, maxRecord, options);
  if (!bytes) return undefined;
  const source = `${files.url}/${reference}`;
  const record = parseRecord(storeDir, bytes, source);
  const right = isGeneration(record) && record.name === name && (number === latest || record.generation === number);
  if (right) return record;
  const got = `${record.name ?? 'no name'}, generation ${record.generation ?? 'none'}`;
  throw new NarrowError('format', `${source} is not generation ${number} of ${name}: got ${got}`);
}

/** The generation with the highest number. */
export async function newestGeneration(
  store: Pick<CacheStore, 'files' | 'storeDir'>,
  name: string,
  options: FileOptions = {},
): Promise<Generation | undefined> {
  let newest = await readGeneration(store, name, latest, options);
  const listed = newest ? 0 : await highestListed(store, name, options);
  if (listed > 0) newest = await readGeneration(store, name, listed, options);
  for (;;) {
    const next = await readGeneration(store, name, (newest?.generation ?? 0) + 1, options);
    if (!next) return newest;
    newest = next;
  }
}

/** 0 where there is none, or files cannot be listed. */
async function highestListed(
  { files }: Pick<CacheStore, 'files'>,
  name: string,
  options: FileOptions,
): Promise<number> {
  let highest = 0;
  for await (const reference of files.list(`${namesDirectory}/${name}`, options) ?? []) {
    const number = /\/([0-9]{1,15})$/.exec(reference)?.[1];
    if (number !== undefined) highest = Math.max(highest, Number(number));
  }
  return highest;
}

/** Writes the next generation, signed with `keys`. All of `paths` have to be there by now. */
export async function addGeneration(
  store: Pick<CacheStore, 'files' | 'storeDir'>,
  name: string,
  paths: readonly StorePath[],
  keys: readonly SecretKey[],
  options: FileOptions = {},
): Promise<Generation> {
  const { files, storeDir } = store;
  for (;;) {
    const before = await newestGeneration(store, name, options);
    const generation = (before?.generation ?? 0) + 1;
    const time = Math.floor(Date.now() / 1000);
    const record = signGeneration(storeDir, { name, generation, time, paths, signatures: [] }, keys);
    const bytes = Buffer.from(formatRecord(storeDir, record));
    if (!(await files.create(generationReference(name, generation), bytes, mediaTypes.text, options))) continue;
    await files.write(generationReference(name, latest), bytes, mediaTypes.text, options);
    return record;
  }
}

/**
 * Makes `latest` a copy of this generation where it is of an older one or not there: whoever made it was killed before. The numbers
 * between lead on from an older one, but only as long as they are there.
 */
export async function pointToGeneration(
  store: Pick<CacheStore, 'files' | 'storeDir'>,
  generation: Generation,
  options: FileOptions = {},
): Promise<void> {
  const { name } = generation;
  const pointed = await readGeneration(store, name, latest, options);
  if (pointed && pointed.generation >= generation.generation) return;
  const bytes = Buffer.from(formatRecord(store.storeDir, generation));
  await store.files.write(generationReference(name, latest), bytes, mediaTypes.text, options);
}

/** Signatures that a generation lacks. */
export function lackingSignatures(
  { storeDir }: Pick<CacheStore, 'storeDir'>,
  generation: Generation,
  keys: readonly SecretKey[],
): string[] {
  const text = generationText(storeDir, generation);
  return keys.map((key) => signText(key, text)).filter((signature) => !generation.signatures.includes(signature));
}

/** Writes a generation anew with more signatures, and `latest` where that is it. */
export async function resignGeneration(
  store: Pick<CacheStore, 'files' | 'storeDir'>,
  generation: Generation,
  signatures: readonly string[],
  options: FileOptions = {},
): Promise<void> {
  const { files, storeDir } = store;
  const { name } = generation;
  const record = { ...generation, signatures: [...generation.signatures, ...signatures] };
  const bytes = Buffer.from(formatRecord(storeDir, record));
  await files.write(generationReference(name, generation.generation), bytes, mediaTypes.text, options);
  const copy = await readGeneration(store, name, latest, options);
  if (copy?.generation !== generation.generation) return;
  await files.write(generationReference(name, latest), bytes, mediaTypes.text, options);
}
