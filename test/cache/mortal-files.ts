// The files of a cache as a process has them that is killed at one of its operations: from then on it does nothing more, what stood
// for it is silent, and what it was writing is left half done.

import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DirectoryFiles } from '../../src/store/cache/directory-files.ts';
import type { CacheFiles, PreparedFile, StagedFile } from '../../src/store/cache/files.ts';
import { expectWhole } from './small-caches.ts';

const longAgo = 2 * 3_600_000;

export class Died extends Error {}

export interface Mortality {
  /** Operations until it is killed. */
  readonly lives: number;
  /** Count what only reads, too. */
  readonly reading?: boolean;
  /** What is repaired is away for a moment, though others refer to it. */
  readonly repairing?: boolean;
  /** Before each operation. */
  readonly pause?: (() => Promise<void>) | undefined;
}

const readers = new Set(['read', 'readNow', 'stat', 'open', 'list', 'listAll']);
const writers = new Set(['write', 'create', 'remove']);

class Mortal {
  readonly #dir: string;
  readonly #how: Mortality;
  readonly #claims = new Set<string>();
  #left: number;

  constructor(dir: string, how: Mortality) {
    this.#dir = dir;
    this.#how = how;
    this.#left = how.lives;
  }

  expectAlive(): void {
    if (this.#left < 0) throw new Died();
  }

  spend(reference?: string): void {
    this.expectAlive();
    if (this.#left-- > 0) return;
    const past = new Date(Date.now() - longAgo);
    for (const claim of this.#claims)
      if (existsSync(join(this.#dir, claim))) utimesSync(join(this.#dir, claim), past, past);
    if (reference !== undefined) this.#leaveHalf(reference);
    throw new Died();
  }

  #leaveHalf(reference: string): void {
    const path = join(this.#dir, `${reference}.tmp.999999.1`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, 'half');
  }

  async change<T>(key: string, reference: string, change: () => Promise<T>): Promise<T> {
    await this.#how.pause?.();
    // whoever writes a claim stands for this process
    if (key !== 'remove' && /^narrow\/(gc|leases\/)/.test(reference)) this.#claims.add(reference);
    this.spend(key === 'remove' ? undefined : reference);
    const result = await change();
    expectWhole(this.#dir, `after ${key} of ${reference}`, this.#how.repairing !== true);
    return result;
  }

  async read<T>(call: () => Promise<T>): Promise<T> {
    await this.#how.pause?.();
    return call();
  }

  staged(file: StagedFile): StagedFile {
    return {
      write: (chunk) => {
        if (this.#how.reading) this.spend();
        return file.write(chunk);
      },
      commit: (reference, type, options) => {
        const { makeWay } = options ?? {};
        const way = makeWay && {
          makeWay: async () => {
            await makeWay();
            this.spend();
          },
        };
        return this.change('commit', reference, () => file.commit(reference, type, { ...options, ...way }));
      },
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  }

  prepared(reference: string, file: PreparedFile): PreparedFile {
    return { ready: file.ready, commit: () => this.change('commit', reference, () => file.commit()) };
  }

  get counts(): boolean {
    return this.#how.reading === true;
  }
}

/** A look at the cache follows each change: {@link expectWhole}. */
export function mortalFiles(dir: string, how: Mortality, files: CacheFiles = new DirectoryFiles(dir)): CacheFiles {
  const mortal = new Mortal(dir, how);
  return new Proxy<CacheFiles>(files, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        mortal.expectAlive();
        const call = (): unknown => Reflect.apply(value, target, args);
        const name = String(key);
        if (writers.has(name)) return mortal.change(name, args[0] as string, call as () => Promise<unknown>);
        if (mortal.counts && (readers.has(name) || name === 'stage')) mortal.spend();
        if (name === 'prepare') return mortal.prepared(args[0] as string, call() as PreparedFile);
        if (name === 'stage') return target.stage().then((file) => mortal.staged(file));
        // who reads is overtaken, too
        return name === 'read' || name === 'stat' ? mortal.read(call as () => Promise<unknown>) : call();
      };
    },
  });
}

/** True when it died; everything else is a fault. */
export function isDeath(error: unknown): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof Died) return true;
    if (cause instanceof SuppressedError && (isDeath(cause.error) || isDeath(cause.suppressed))) return true;
  }
  return false;
}
