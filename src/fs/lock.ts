// Locks on files as Nix takes them: flock(2), which the kernel drops when the holder dies. Waiting is a poll without
// blocking, so that everything else of this process goes on meanwhile.

import { closeSync, constants, fstatSync, openSync, statSync, unlinkSync, ftruncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ioError } from '../errors.ts';
import type { LockMode } from './libc.ts';
import { tryFlock, unlockFlock } from './libc.ts';

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when the wait has lasted a second. */
  readonly onWait?: (() => void) | undefined;
}

/** Pauses between two tries, in milliseconds: short first, because most locks are held for a moment. */
const FIRST_PAUSE = 5;
const LONGEST_PAUSE = 100;
/** Milliseconds of waiting after which people want to know why nothing happens. */
const PATIENCE = 1000;

/** Waits until `attempt` gives something other than undefined. */
export async function poll<T>(attempt: () => T | undefined, { signal, onWait }: LockOptions = {}): Promise<T> {
  let start: number | undefined;
  let told = false;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    signal?.throwIfAborted();
    const result = attempt();
    if (result !== undefined) return result;
    start ??= performance.now();
    await sleep(pause, undefined, { signal });
    if (told || performance.now() - start < PATIENCE) continue;
    told = true;
    onWait?.();
  }
}

/** A lock on a file that stays: its descriptor. */
export class FileLock implements Disposable {
  readonly path: string;
  #fd: number;

  /** Opens (and creates, for its owner alone) the file; takes no lock yet. Throws `io`. */
  constructor(path: string) {
    this.path = path;
    this.#fd = openLockFile(path);
  }

  /** Takes the lock, or changes its mode, without waiting. */
  tryLock(mode: LockMode): boolean {
    return tryFlock(this.#fd, mode);
  }

  /** Takes the lock, waiting as long as it needs. */
  async lock(mode: LockMode, options: LockOptions = {}): Promise<void> {
    await poll(() => tryFlock(this.#fd, mode) || undefined, options);
  }

  unlock(): void {
    unlockFlock(this.#fd);
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}

/**
 * A lock on a file that is deleted after use, so that a store is not littered with them. A file that was deleted while we
 * waited for it is told by its size (Nix writes a byte into it) and by its links: then we begin anew.
 */
export class DeletedLock implements Disposable {
  readonly path: string;
  #fd: number;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  static async acquire(path: string, options: LockOptions = {}): Promise<DeletedLock> {
    return poll(() => DeletedLock.try(path), options);
  }

  /** The lock, or undefined while another has it. Throws `io`. */
  static try(path: string): DeletedLock | undefined {
    for (;;) {
      const fd = openLockFile(path);
      try {
        if (!tryFlock(fd, 'exclusive')) {
          closeSync(fd);
          return undefined;
        }
        if (isCurrent(fd, path)) return new DeletedLock(path, fd);
      } catch (error) {
        closeSync(fd);
        throw ioError('lock', path, error);
      }
      closeSync(fd);
    }
  }

  /** Deletes the file and marks it stale for those who wait on it, then releases it. */
  [Symbol.dispose](): void {
    const fd = this.#fd;
    if (fd < 0) return;
    this.#fd = -1;
    try {
      // The order of Nix: a file that is marked but not deleted would make every Nix wait forever. The mark is a length
      // (nobody reads it), because growing a file by truncation works on a full disk.
      unlinkSync(this.path);
      ftruncateSync(fd, 1);
    } catch {
      // A lock file that stays is harmless: it is taken again by whoever needs it.
    } finally {
      closeSync(fd);
    }
  }
}

/** Whether the locked descriptor is what lies at `path`, and unmarked. We hold the lock, so a marked file is nobody's. */
function isCurrent(fd: number, path: string): boolean {
  const mine = fstatSync(fd);
  const there = statSync(path, { throwIfNoEntry: false });
  const same = there !== undefined && there.ino === mine.ino && there.dev === mine.dev;
  if (same && mine.size !== 0) unlinkSync(path);
  return same && mine.size === 0;
}

const OPEN = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** Opens a lock file as Nix does, mode 0600; a link in its place is refused. */
export function openLockFile(path: string): number {
  try {
    return openSync(path, OPEN, 0o600);
  } catch (error) {
    throw ioError('open the lock', path, error);
  }
}
