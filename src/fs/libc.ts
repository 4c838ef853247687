// The system calls that Node does not have, through koffi (an FFI library that comes with binaries for each platform; see
// docs/decisions/flock.md). Loaded when first needed: who only reads a store never pays the 10 ms.

import { createRequire } from 'node:module';
import { constants } from 'node:os';

/** The part of koffi that is used here. */
interface Koffi {
  load(path: null): { func(declaration: string): (...args: unknown[]) => number };
  errno(): number;
}

interface Libc {
  readonly flock: (fd: number, operation: number) => number;
  readonly unshare: (flags: number) => number;
  readonly mount: (source: string, target: string, type: string, flags: number, data: null) => number;
  readonly errno: () => number;
}

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
const CLONE_NEWNS = 0x20000;
const MS_REMOUNT = 32;
const MS_BIND = 4096;

let libc: Libc | undefined;

function load(): Libc {
  if (libc) return libc;
  const koffi = createRequire(import.meta.url)('koffi') as Koffi;
  const library = koffi.load(null);
  libc = {
    flock: library.func('int flock(int fd, int operation)'),
    unshare: library.func('int unshare(int flags)'),
    mount: library.func(
      'int mount(const char *source, const char *target, const char *type, unsigned long flags, void *data)',
    ),
    errno: () => koffi.errno(),
  };
  return libc;
}

/** Blocks from this size on get pages of their own. */
const OWN_PAGES = 1 << 17;
const M_MMAP_THRESHOLD = -3;
const M_ARENA_MAX = -8;

/**
 * Has big buffers given back to the system when they are freed. The GNU C library keeps ever larger ones otherwise, and some
 * for each thread; other libraries have no such habit, and no such call.
 */
export function giveBackMemory(): void {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    const mallopt = koffi.load(null).func('int mallopt(int param, int value)');
    mallopt(M_MMAP_THRESHOLD, OWN_PAGES);
    mallopt(M_ARENA_MAX, 2);
  } catch {
    // without it everything works, in more memory
  }
}

export type LockMode = 'shared' | 'exclusive';

/** flock(2) without waiting: true when the lock is ours, false when another has it. Throws the system's error. */
export function tryFlock(fd: number, mode: LockMode): boolean {
  const { flock, errno } = load();
  for (;;) {
    if (flock(fd, (mode === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return true;
    const code = errno();
    if (code === constants.errno.EWOULDBLOCK) return false;
    if (code !== constants.errno.EINTR) throw systemError('flock', code);
  }
}

/** Gives the lock up; the descriptor stays open. */
export function unlockFlock(fd: number): void {
  load().flock(fd, LOCK_UN);
}

/**
 * Makes `directory`, which must be a mount point, writable for the calling thread and threads it starts from now on, in a
 * mount namespace of their own. Nobody else sees a change. Throws the system's error.
 */
export function remountWritable(directory: string): void {
  const { unshare, mount, errno } = load();
  if (unshare(CLONE_NEWNS) !== 0) throw systemError('unshare', errno());
  if (mount('none', directory, 'none', MS_REMOUNT | MS_BIND, null) !== 0) throw systemError('mount', errno());
}

function systemError(call: string, errno: number): NodeJS.ErrnoException {
  const code = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  return Object.assign(new Error(`${call}: ${code}`), { errno: -errno, code, syscall: call });
}
