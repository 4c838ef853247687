// A new store's directories, as Nix makes them when it first opens one.

import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ioError } from '../../errors.ts';
import type { LocalDirectories } from './directories.ts';

/** Makes what is missing beside the store directory itself. Throws `io`. */
export function prepareState({ realDir, stateDir }: LocalDirectories): void {
  for (const path of [
    join(realDir, '.links'),
    ...['temproots', 'db', 'profiles/per-user'].map((d) => join(stateDir, d)),
  ]) {
    make(path);
  }
  const roots = join(stateDir, 'gcroots');
  make(join(roots, 'per-user'));
  try {
    symlinkSync(join(stateDir, 'profiles'), join(roots, 'profiles'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      throw ioError('make the link', join(roots, 'profiles'), error);
  }
}

function make(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw ioError('create', path, error);
  }
}
