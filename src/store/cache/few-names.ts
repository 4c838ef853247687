// What is in a place that was no cache a moment ago: mostly nothing, which one listing tells, where 10,000 questions would be asked.

import { NarrowError } from '../../errors.ts';
import type { CacheFiles, FileOptions } from './files.ts';

/** One page of a listing of S3. */
const few = 1000;

/** The references of all files, if they are few; undefined where they are more, or cannot be listed. */
export async function fewNames(files: CacheFiles, options: FileOptions): Promise<ReadonlySet<string> | undefined> {
  const listed = files.listAll(options);
  if (!listed) return undefined;
  const names = new Set<string>();
  try {
    for await (const { reference } of listed) if (names.add(reference).size > few) return undefined;
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof NarrowError) return undefined;
    throw error;
  }
  return names;
}
