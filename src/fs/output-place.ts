// A place for a file that is made at the end of much work: looked at before it.

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { NarrowError, ioError } from '../errors.ts';

/** Its directory has to be there and writable, and it may be no directory or device itself. Throws `io`. */
export async function expectOutputPlace(file: string): Promise<void> {
  const directory = dirname(resolve(file));
  try {
    // the dot asks that it be a directory
    await access(`${directory}/.`, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw ioError('write into', directory, error);
  }
  const there = await stat(file).catch(() => undefined);
  if (!there || there.isFile()) return;
  const what = there.isDirectory() ? 'a directory' : 'no regular file';
  throw new NarrowError('io', `cannot write ${file}: it is ${what}`, {
    hint: 'name a file',
    data: { path: file },
  });
}
