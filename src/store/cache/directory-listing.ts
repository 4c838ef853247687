// Every file of a cache in a directory, with sizes and times. Looking at a file takes some microseconds and a promise as
// long again, so it is done without, in turns that let everything else of this process go on.

import { readdirSync, statSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { ioError } from '../../errors.ts';
import { referenceOf } from './files.ts';
import type { ListedCacheFile } from './files.ts';

/** Files looked at in one turn. */
const turn = 1024;
/** No cache is as deep: links that lead in circles end here. */
const deepest = 16;

/** Links are followed: people keep `nar` on another disk. What vanishes meanwhile is left out. Throws `io`. */
export async function* listDirectory(
  root: string,
  signal?: AbortSignal,
): AsyncGenerator<ListedCacheFile, void, undefined> {
  const open = [''];
  let seen = 0;
  for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
    for (const entry of namesIn(join(root, directory))) {
      if (++seen % turn === 0) await setImmediate(undefined, { signal });
      const name = directory === '' ? entry : `${directory}/${entry}`;
      const found = lookAt(join(root, name));
      if (found?.isDirectory() && name.split('/').length < deepest) open.push(name);
      else if (found?.isFile()) yield listed(name, found);
    }
  }
}

function listed(name: string, { size, mtimeMs, atimeMs, ino }: Stats): ListedCacheFile {
  const version = `${size}-${mtimeMs}-${ino}`;
  return { reference: referenceOf(name), size, modified: mtimeMs, accessed: atimeMs, version };
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (isGone(error)) return [];
    throw ioError('list', path, error);
  }
}

function lookAt(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw ioError('look at', path, error);
  }
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP';
}
