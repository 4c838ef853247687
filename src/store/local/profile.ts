// Generations of a profile, exactly as `nix-env --profile P --set` makes them: P-1-link, P-2-link … point to store paths and
// are roots; P points to one of them.

import { readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { ioError } from '../../errors.ts';
import { makeDirectory } from '../../fs/make-directory.ts';
import { DeletedLock } from '../../fs/lock.ts';
import type { LockOptions } from '../../fs/lock.ts';
import type { StorePath } from '../../model/store-path.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { RootPlaces } from './links.ts';
import { linkTarget, makeRoot, replaceLink } from './links.ts';

/** Makes the next generation, or takes the highest when it is that path already; switches to it. Returns its link. */
export async function setGeneration(
  places: RootPlaces,
  profile: string,
  path: StorePath,
  options: LockOptions,
): Promise<string> {
  const absolute = resolve(profile);
  makeDirectory(dirname(absolute));
  using lock = await DeletedLock.acquire(`${absolute}.lock`, options);
  void lock;
  const highest = generations(absolute).at(-1) ?? 0;
  const link = (n: number): string => `${absolute}-${n}-link`;
  const same = highest > 0 && linkTarget(link(highest)) === printStorePath(places.storeDir, path);
  const generation = same ? link(highest) : makeRoot(places, link(highest + 1), path);
  replaceLink(absolute, basename(generation));
  return generation;
}

/** The numbers of the generations that exist, ascending. */
export function generations(profile: string): number[] {
  const prefix = `${basename(profile)}-`;
  let names: string[];
  try {
    names = readdirSync(dirname(profile));
  } catch (error) {
    throw ioError('list', dirname(profile), error);
  }
  const numbers = names.flatMap((name) => {
    const match = name.startsWith(prefix) && /^(\d{1,15})-link$/.exec(name.slice(prefix.length));
    return match && linkTarget(join(dirname(profile), name)) ? [Number(match[1])] : [];
  });
  return numbers.sort((a, b) => a - b);
}
