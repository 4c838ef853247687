// `.#hello`, `nixpkgs#hello^dev`: installables of flakes where paths are meant. Nix evaluates and builds them, in this machine's store.

import { lstatSync } from 'node:fs';
import { NarrowError } from '../errors.ts';
import { parseStoreUrl } from '../store/url.ts';
import { nixBuild } from '../transport/nix-build.ts';

/** A word with `#` that names no file: a flake, and what is meant of it. */
export function isFlakeInstallable(word: string): boolean {
  return word.includes('#') && !isThere(word);
}

/** Links that lead nowhere count. */
function isThere(file: string): boolean {
  try {
    lstatSync(file);
    return true;
  } catch {
    return false;
  }
}

/** The arguments with paths of outputs in place of installables. `from` is the store that is to have them. */
export async function buildInstallables(
  given: readonly string[],
  from: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const installables = given.filter(isFlakeInstallable);
  if (installables.length === 0) return given;
  const built = await nixBuild(installables, { store: storeToBuildIn(from, installables[0]!), signal });
  return [...given.filter((word) => !installables.includes(word)), ...built];
}

/** Undefined: Nix's own choice, which is `auto`, too. Throws `usage` for stores that nothing is built in from here. */
function storeToBuildIn(from: string, installable: string): string | undefined {
  const { scheme } = parseStoreUrl(from);
  if (scheme === 'auto') return undefined;
  if (scheme === 'local' || scheme === 'daemon') return from;
  throw new NarrowError('usage', `'${installable}' is built on this machine, and would not be in ${from}`, {
    hint: 'leave out --from, or build it there and name its path',
  });
}
