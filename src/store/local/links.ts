// Permanent roots of the garbage collector: a symlink somewhere, and in gcroots/auto a link to it, named by its hash. Made by
// rename, so that at no moment there is no link.

import { lstatSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { NarrowError, ioError } from '../../errors.ts';
import { writeObstacle } from '../../fs/space.ts';
import { encodeBase32 } from '../../model/base32.ts';
import { hashBytes } from '../../model/hash.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { printStorePath } from '../../model/store-path.ts';

export interface RootPlaces {
  readonly storeDir: StoreDir;
  /** Where the link is registered; without it that is somebody else's to do (a daemon's). */
  readonly stateDir?: string | undefined;
}

/** Makes `link` point to the path, and a root. Throws `refused` for what must not be replaced. The path is held. */
export function makeRoot({ storeDir, stateDir }: RootPlaces, link: string, path: StorePath): string {
  const absolute = resolve(link);
  if (isBelow(absolute, storeDir)) {
    throw new NarrowError('refused', `cannot make a root at ${absolute}: it lies in the store itself`);
  }
  expectReplaceable(absolute, storeDir);
  replaceLink(absolute, printStorePath(storeDir, path));
  if (stateDir === undefined) return absolute;
  const name = encodeBase32(hashBytes(absolute, 'sha1').bytes);
  replaceLink(join(stateDir, 'gcroots/auto', name), absolute);
  return absolute;
}

/** Throws `refused` for what is known to keep a link, or the link of a profile, from being made. */
export function expectLinkable(link: string): void {
  const absolute = resolve(link);
  const directory = dirname(absolute);
  const obstacle = writeObstacle(directory);
  if (linkTarget(absolute) === false) throw inTheWay(absolute, 'is no symbolic link');
  if (obstacle === undefined) return;
  throw new NarrowError('refused', `cannot make ${absolute}: this user may not write to ${directory} (${obstacle})`, {
    hint: 'run the command as root (sudo), or give the link another place',
  });
}

/** Makes or replaces a symlink in one step, with the directories above it. Throws `io`. */
export function replaceLink(link: string, target: string): void {
  const temporary = `${link}.tmp-${process.pid}-${randomInt(2 ** 31)}`;
  try {
    mkdirSync(dirname(link), { recursive: true, mode: 0o755 });
    symlinkSync(target, temporary);
    renameSync(temporary, link);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw ioError('make the link', link, error);
  }
}

function expectReplaceable(link: string, storeDir: StoreDir): void {
  const target = linkTarget(link);
  if (target === undefined || (target !== false && isBelow(resolve(dirname(link), target), storeDir))) return;
  const what = target === false ? 'is no symbolic link' : `points to ${target}, outside the store`;
  throw inTheWay(link, what);
}

function inTheWay(link: string, what: string): NarrowError {
  return new NarrowError('refused', `cannot make a root at ${link}: what lies there ${what}`, {
    data: { link },
    hint: 'remove it, or give the link another name',
  });
}

/** What a link points to; undefined when there is nothing, false when it is something else. */
export function linkTarget(link: string): string | false | undefined {
  try {
    const stat = lstatSync(link, { throwIfNoEntry: false });
    if (!stat) return undefined;
    return stat.isSymbolicLink() ? readlinkSync(link) : false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw ioError('read the link', link, error);
  }
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`);
}
