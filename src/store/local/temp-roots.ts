// Temporary roots: the file temproots/PID, locked for as long as anything is held, lists paths that no collector may delete.
// While a collector runs, what it has not read there is told to it through its socket.

import { fstatSync, ftruncateSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, threadId } from 'node:worker_threads';
import { ioError } from '../../errors.ts';
import { makeDirectory } from '../../fs/make-directory.ts';
import { FileLock, openLockFile, poll } from '../../fs/lock.ts';
import { tryFlock } from '../../fs/libc.ts';
import { closeSync } from 'node:fs';
import { tellCollector } from './collector.ts';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RootOptions {
  readonly signal?: AbortSignal | undefined;
  readonly warn: (text: string) => void;
}

/** Milliseconds between two attempts while a collector starts or ends. */
const PAUSE = 100;

/** One for each state directory in this process, whatever the number of stores opened on it. */
const registry = new Map<string, TempRoots>();

/** Keeps the temporary roots of a state directory; released, the last one takes the file away. */
export class RootsHandle implements Disposable {
  #roots: TempRoots | undefined;

  constructor(stateDir: string) {
    let roots = registry.get(stateDir);
    if (!roots) registry.set(stateDir, (roots = new TempRoots(stateDir)));
    roots.holders++;
    this.#roots = roots;
  }

  /** Makes roots of these full paths; when it returns no collector deletes them, now or later. */
  async add(paths: readonly string[], options: RootOptions): Promise<void> {
    await this.#roots?.add(paths, options);
  }

  [Symbol.dispose](): void {
    const roots = this.#roots;
    this.#roots = undefined;
    if (!roots || --roots.holders > 0) return;
    registry.delete(roots.stateDir);
    roots.close();
  }
}

process.on('exit', () => {
  for (const roots of registry.values()) roots.close();
});

class TempRoots {
  readonly stateDir: string;
  holders = 0;
  #file: { readonly path: string; readonly fd: number } | undefined;
  #collectorLock: FileLock | undefined;
  readonly #known = new Set<string>();

  constructor(stateDir: string) {
    this.stateDir = stateDir;
  }

  async add(paths: readonly string[], { signal, warn }: RootOptions): Promise<void> {
    const fresh = [...new Set(paths)].filter((path) => !this.#known.has(path));
    if (fresh.length === 0) return;
    const onWait = (): void => warn('waiting for the garbage collector');
    this.#file ??= await poll(() => this.#file ?? createFile(this.stateDir), { signal, onWait });
    this.#collectorLock ??= new FileLock(join(this.stateDir, 'gc.lock'));
    const text = fresh.map((path) => `${path}\n`).join('');
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      if (this.#collectorLock.tryLock('shared')) {
        // No collector runs, and none begins before the paths are written.
        try {
          this.#append(fresh);
        } finally {
          this.#collectorLock.unlock();
        }
        return;
      }
      if (await tellCollector(this.stateDir, text, fresh.length, signal)) {
        this.#append(fresh);
        return;
      }
      if (attempt === 10) onWait();
      await sleep(PAUSE, undefined, { signal });
    }
  }

  close(): void {
    if (this.#file) {
      // Unlinked first: nobody takes a file that is about to go for one in use.
      unlinkIfThere(this.#file.path);
      closeSync(this.#file.fd);
    }
    this.#file = undefined;
    this.#collectorLock?.[Symbol.dispose]();
    this.#collectorLock = undefined;
    this.#known.clear();
  }

  #append(paths: readonly string[]): void {
    const file = this.#file!;
    const bytes = Buffer.from(paths.map((path) => `${path}\0`).join(''));
    const { size } = fstatSync(file.fd);
    try {
      for (let done = 0; done < bytes.length;)
        done += writeSync(file.fd, bytes, done, bytes.length - done, size + done);
    } catch (error) {
      // Half an entry would spoil the next one.
      ftruncateSync(file.fd, size);
      throw ioError('write', file.path, error);
    }
    for (const path of paths) this.#known.add(path);
  }
}

/** Creates and locks this process's file; undefined while a collector is just deleting one of that name. */
function createFile(stateDir: string): { path: string; fd: number } | undefined {
  const directory = join(stateDir, 'temproots');
  makeDirectory(directory);
  for (let n = 0; ; n++) {
    // A number first: Nix reads the process id off the name. Threads and processes of other PID namespaces differ behind it.
    const path = join(directory, [process.pid, isMainThread ? '' : threadId, n || ''].filter(Boolean).join('-'));
    const fd = openLockFile(path);
    const mine = tryFlock(fd, 'exclusive');
    const there = mine && isLinked(fd, path);
    if (mine && there) {
      // What a dead process of this number left.
      ftruncateSync(fd, 0);
      return { path, fd };
    }
    closeSync(fd);
    if (mine) return undefined;
  }
}

function isLinked(fd: number, path: string): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  return there !== undefined && there.ino === fstatSync(fd).ino;
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // A collector may have been faster.
  }
}
