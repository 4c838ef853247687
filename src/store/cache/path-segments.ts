// The files of path-hints.ts: each push that added something writes one of its own, so that none of several at once overwrites
// another's; when there are many, whoever comes writes one in place of them. docs/formats/cache-index.md describes them.

import { randomUUID } from 'node:crypto';
import { NarrowError } from '../../errors.ts';
import type { StoreDir } from '../../model/store-path.ts';
import type { CacheFiles, FileOptions } from './files.ts';
import { mediaTypes } from './files.ts';
import { PathHints } from './path-hints.ts';

const directory = 'narrow/paths';
/** Names of the segments, for places that cannot list their files. */
const nameList = `${directory}/list`;
/** So many are read before they become one. */
const mostSegments = 6;
/** Room for three million paths. */
const maxSegment = 64 * 2 ** 20;
const maxList = 1 << 20;

export interface Segments {
  readonly hints: PathHints;
  readonly references: readonly string[];
}

/** What pushes have noted. What cannot be read counts for nothing. */
export async function readSegments(files: CacheFiles, storeDir: StoreDir, options: FileOptions): Promise<Segments> {
  const hints = new PathHints(storeDir);
  const references = await segmentNames(files, options).catch(ignoreFailure(options, [] as string[]));
  const read = async (reference: string): Promise<void> => {
    const bytes = await files.read(reference, maxSegment, options);
    if (bytes) hints.read(bytes, `${files.url}/${reference}`);
  };
  await Promise.all(references.map((reference) => read(reference).catch(ignoreFailure(options, undefined))));
  return { hints, references };
}

/** Writes what was noted, or all in place of what was read. A failure costs the next push some questions, and nothing else. */
export async function saveSegment(
  files: CacheFiles,
  { hints, references }: Segments,
  options: FileOptions,
): Promise<void> {
  const merge = references.length >= mostSegments;
  const bytes = hints.segment('noted') && hints.segment(merge ? 'all' : 'noted');
  if (bytes) await replace(files, bytes, merge ? references : [], options).catch(ignoreFailure(options, undefined));
}

/** Writes all anew without these hash parts, before they go. */
export async function forgetPaths(
  files: CacheFiles,
  storeDir: StoreDir,
  parts: ReadonlySet<string>,
  options: FileOptions,
): Promise<void> {
  const { hints, references } = await readSegments(files, storeDir, options);
  const before = hints.size;
  hints.forget(parts);
  if (hints.size === before) return;
  await replace(files, hints.segment('all'), references, options);
}

async function replace(
  files: CacheFiles,
  bytes: Buffer | undefined,
  old: readonly string[],
  options: FileOptions,
): Promise<void> {
  const reference = `${directory}/${Math.floor(Date.now() / 1000)}-${randomUUID().slice(0, 8)}`;
  if (bytes) await files.write(reference, bytes, mediaTypes.binary, options);
  if (!files.list(directory, options)) {
    const known = (await listedNames(files, options)).filter((name) => !old.includes(name));
    const names = bytes ? [...known, reference] : known;
    await files.write(nameList, Buffer.from(`${names.join('\n')}\n`), mediaTypes.text, options);
  }
  for (const name of old) await files.remove(name, options);
}

async function segmentNames(files: CacheFiles, options: FileOptions): Promise<string[]> {
  const listed = files.list(directory, options);
  if (!listed) return listedNames(files, options);
  const names: string[] = [];
  for await (const name of listed) if (isSegment(name)) names.push(name);
  return names;
}

async function listedNames(files: CacheFiles, options: FileOptions): Promise<string[]> {
  const text = (await files.read(nameList, maxList, options))?.toString('latin1') ?? '';
  return text.split('\n').filter(isSegment);
}

function isSegment(name: string): boolean {
  return /^narrow\/paths\/[0-9]{1,15}-[0-9a-f]{8}$/.test(name);
}

function ignoreFailure<T>({ signal }: FileOptions, instead: T): (error: unknown) => T {
  return (error) => {
    signal?.throwIfAborted();
    if (!(error instanceof NarrowError)) throw error;
    return instead;
  };
}
