// A new store's directories, as Nix makes them when it first opens one.

import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ioError } from '../../errors.ts';
import { makeDirectory } from '../../fs/make-directory.ts';
import type { LocalDirectories } from './directories.ts';

/** Makes what is missing beside the store directory itself. Throws `io`. */
export function prepareState({ realDir, stateDir }: LocalDirectories): void {
  for (const path of [
    join(realDir, '.links'),
    ...['temproots', 'db', 'profiles/per-user'].map((d) => join(stateDir, d)),
  ]) {
    makeDirectory(path);
  }
  const roots = join(stateDir, 'gcroots');
  makeDirectory(join(roots, 'per-user'));
  try {
    symlinkSync(join(stateDir, 'profiles'), join(roots, 'profiles'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      throw ioError('make the link', join(roots, 'profiles'), error);
  }
}
