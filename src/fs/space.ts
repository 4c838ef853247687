// Room on a disk, and whether this user may write to a place that need not exist yet.

import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { ioError } from '../errors.ts';

export interface Space {
  /** Bytes that this user may still fill. */
  readonly free: number;
  /** Bytes as they are written are bytes as they are kept: no compression by the file system. */
  readonly exact: boolean;
}

/** File systems that may compress what they keep, by statfs's type. */
const compressing = new Set([0x91_23_68_3e /* btrfs */, 0x2f_c1_2f_c1 /* zfs */, 0xca_45_1a_4e /* bcachefs */]);

/** Of the file system on which `path` is, or would be made. Throws `io`. */
export function freeSpace(path: string): Space {
  const there = nearest(path);
  try {
    const { bsize, bfree, bavail, type } = statfsSync(there);
    // what is reserved is reserved for root
    return { free: bsize * (process.getuid?.() === 0 ? bfree : bavail), exact: !compressing.has(type >>> 0) };
  } catch (error) {
    throw ioError('look at the file system of', there, error);
  }
}

/** Why `path` cannot be written or made: `EACCES`, `EROFS` …; undefined when it can. */
export function writeObstacle(path: string): string | undefined {
  try {
    accessSync(nearest(path), constants.W_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** The path itself, or what exists above it. */
function nearest(path: string): string {
  let there = path;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  return there;
}
