// What is left of a bundle whose writing was ended: FILE.partial tells of its temporary files, and how far they are good.
// The next run takes the segments that were finished, once they are proven, and goes on after them.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ioError } from '../../errors.ts';
import { isAlive } from '../../fs/atomic-file.ts';
import { volumeMagic } from './volume.ts';
import type { Segment } from './volume.ts';

export interface Partial {
  /** The id, which follows from all that is told before the segments. */
  readonly bundle: string;
  /** When the bundle was begun, which it tells. */
  readonly made: number;
  /** How segments are made, beside what the id says. */
  readonly how: string;
  readonly pid: number;
  /** Those that are finished. */
  readonly segments: readonly Segment[];
  /** Bytes of the body up to there, and their SHA-256, base 16. */
  readonly size: number;
  readonly sha256: string;
  readonly files: readonly PartialFile[];
}

export interface PartialFile {
  readonly file: string;
  /** Bytes of the body that are in it, after the magic. */
  readonly size: number;
}

const nameOf = (file: string): string => `${file}.partial`;

/** Undefined when there is none, or when whoever writes it is still there. */
export async function readPartial(file: string): Promise<Partial | undefined> {
  try {
    const partial = JSON.parse(await readFile(nameOf(file), 'utf8')) as Partial;
    const own = partial.files.every((one) => one.file.startsWith(`${file}.tmp.`));
    return own && !isAlive(partial.pid) ? partial : undefined;
  } catch {
    return undefined;
  }
}

export async function savePartial(file: string, partial: Partial): Promise<void> {
  // a name of its own, so that nothing is left of one that was not finished
  const draft = `${nameOf(file)}.new`;
  try {
    await writeFile(draft, JSON.stringify(partial));
    await rename(draft, nameOf(file));
  } catch (error) {
    throw ioError('write', nameOf(file), error);
  }
}

/** Removes the note, and with `partial` what its process left. */
export async function dropPartial(file: string, partial?: Partial): Promise<void> {
  await rm(nameOf(file), { force: true });
  await rm(`${nameOf(file)}.new`, { force: true });
  if (partial) await dropFiles(file, partial);
}

/** Removes the temporary files of its process, also those that it does not tell of. */
export async function dropFiles(file: string, { pid }: Partial): Promise<void> {
  const prefix = `${basename(file)}.tmp.${pid}.`;
  for (const name of await readdir(dirname(file)))
    if (name.startsWith(prefix)) await rm(join(dirname(file), name), { force: true });
}

/** Whether its files hold what they held when it was noted. */
export async function isSound(partial: Partial): Promise<boolean> {
  const hash = createHash('sha256');
  let size = 0;
  try {
    for await (const chunk of partialBytes(partial)) {
      hash.update(chunk);
      size += chunk.length;
    }
  } catch {
    return false;
  }
  return size === partial.size && hash.digest('hex') === partial.sha256;
}

/** The body as far as its segments are finished. Throws what reading throws. */
export async function* partialBytes({ files, size }: Partial): AsyncGenerator<Uint8Array, void, undefined> {
  let left = size;
  for (const one of files) {
    const length = Math.min(left, one.size);
    if (length === 0) continue;
    const start = volumeMagic.length;
    for await (const chunk of createReadStream(one.file, { start, end: start + length - 1 })) yield chunk as Buffer;
    left -= length;
  }
}
