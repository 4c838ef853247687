// The one writer of a store's database: registrations that are ready together become one transaction.

import type { Realisation } from '../../model/realisation.ts';
import type { StoreDir } from '../../model/store-path.ts';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from './database.ts';
import { writeRealisations } from './realisations.ts';
import type { Registration } from './register.ts';
import { registerPaths } from './register.ts';

export interface Work {
  /** Absent when the path is valid already. */
  readonly registration?: Registration | undefined;
  readonly realisations: readonly Realisation[];
}

interface Queued {
  readonly work: Work;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const LARGEST_BATCH = 500;

export class Registrar {
  readonly #database: Database;
  readonly #storeDir: StoreDir;
  #queue: Queued[] = [];
  #running = false;

  constructor(database: Database, storeDir: StoreDir) {
    this.#database = database;
    this.#storeDir = storeDir;
  }

  /** Registers, after everything that was given before; resolves when it is committed. Throws what is wrong with it. */
  register(work: Work): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.push({ work, resolve, reject });
    if (!this.#running) {
      this.#running = true;
      void this.#drain();
    }
    return promise;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      // Whatever gets ready meanwhile goes into the same transaction.
      await nextTurn();
      const batch = this.#queue.splice(0, LARGEST_BATCH);
      try {
        await this.#commit(batch);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        if (batch.length === 1) batch[0]!.reject(error);
        else await this.#oneByOne(batch);
      }
    }
    this.#running = false;
  }

  /** Finds out whose fault it was. */
  async #oneByOne(batch: readonly Queued[]): Promise<void> {
    for (const queued of batch) await this.#commit([queued]).then(queued.resolve, queued.reject);
  }

  #commit(batch: readonly Queued[]): Promise<void> {
    return this.#database.write((db) => {
      registerPaths(
        db,
        this.#storeDir,
        batch.map(({ work }) => work.registration).filter((r) => r !== undefined),
      );
      for (const { work } of batch) writeRealisations(db, this.#storeDir, work.realisations);
    });
  }
}
