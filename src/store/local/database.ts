// The database of one store over time: read as a guest until something is written, then as a member with Nix's big lock
// held and one connection for everything. Waits for others are polls.

import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NarrowError, ioError } from '../../errors.ts';
import { makeDirectory } from '../../fs/make-directory.ts';
import { FileLock, poll } from '../../fs/lock.ts';
import type { LockOptions } from '../../fs/lock.ts';
import type { Connection } from './connection.ts';
import { isBusy, openReader, openWriter } from './connection.ts';
import { hasSchema, schema, schemaVersion } from './schema.ts';

export interface DatabaseOptions {
  readonly stateDir: string;
  /** The user says that nobody writes: no lock is taken, no file of SQLite's is made. */
  readonly readOnly: boolean;
  readonly warn: (text: string) => void;
}

export class Database implements Disposable {
  readonly #options: DatabaseOptions;
  #reader: { connection: Connection; immutable: boolean } | undefined;
  #writer: Connection | undefined;
  #opening: Promise<Connection> | undefined;
  #bigLock: FileLock | undefined;
  /** Ends when the last change that was asked for has: one connection has one transaction. Never rejects. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: DatabaseOptions) {
    this.#options = options;
  }

  /** Throws what is wrong with the schema; tells whether there is a database at all. */
  exists(): boolean {
    if (this.#writer) return true;
    return hasSchema(this.#options.stateDir) || this.#read() !== undefined;
  }

  /** One consistent view: everything that `query` asks is of the same moment. Undefined when the store is still new. */
  async read<T>(
    query: (connection: Connection) => T,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<T | undefined> {
    return this.#patiently('reading', options.signal, () => {
      const connection = this.#read();
      if (!connection) return { result: undefined };
      if (connection.inTransaction) return { result: query(connection) };
      connection.exec('begin');
      try {
        return { result: query(connection) };
      } finally {
        if (connection.inTransaction) connection.exec('rollback');
      }
    });
  }

  /** Runs `change` in one transaction, all or nothing; changes take turns. Makes the database when the store is new. */
  write<T>(change: (connection: Connection) => T, signal?: AbortSignal): Promise<T> {
    return this.#inTurn(() => {
      signal?.throwIfAborted();
      return this.#change(change, signal);
    });
  }

  async #inTurn<T>(action: () => T | Promise<T>): Promise<T> {
    const mine = this.#turn.then(action);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #change<T>(change: (connection: Connection) => T, signal: AbortSignal | undefined): Promise<T> {
    const connection = await this.open(signal);
    await this.#patiently('writing', signal, () => {
      connection.exec('begin immediate');
      return { result: undefined };
    });
    let result: T;
    try {
      result = change(connection);
      // Busy here only without write-ahead logging, while another still reads.
      await this.#patiently('writing', signal, () => ({ result: connection.exec('commit') }));
    } finally {
      if (connection.inTransaction) connection.exec('rollback');
    }
    return result;
  }

  /** Takes Nix's lock and opens (makes, when the store is new) the database for writing. */
  open(signal?: AbortSignal): Promise<Connection> {
    if (this.#writer) return Promise.resolve(this.#writer);
    this.#opening ??= this.#open(signal).finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  /**
   * Gives the big lock back, after the changes that were asked for: a Nix that wants to change the schema waits for all who
   * hold it. Reading goes on.
   */
  release(): Promise<void> {
    return this.#inTurn(() => {
      this.#writer?.[Symbol.dispose]();
      this.#bigLock?.[Symbol.dispose]();
      this.#writer = this.#bigLock = undefined;
    });
  }

  [Symbol.dispose](): void {
    this.#reader?.connection[Symbol.dispose]();
    this.#writer?.[Symbol.dispose]();
    this.#bigLock?.[Symbol.dispose]();
    this.#reader = this.#writer = this.#bigLock = undefined;
  }

  #read(): Connection | undefined {
    if (this.#writer) return this.#writer;
    const { stateDir, readOnly } = this.#options;
    if (this.#reader?.immutable && !readOnly) {
      // What SQLite takes for unchanging it never reads again; but a daemon may have written since.
      this.#reader.connection[Symbol.dispose]();
      this.#reader = undefined;
    }
    if (!this.#reader) {
      const old = hasSchema(stateDir);
      this.#reader = openReader(stateDir, readOnly);
      if (old && !this.#reader) throw lost(stateDir);
    }
    return this.#reader?.connection;
  }

  async #open(signal: AbortSignal | undefined): Promise<Connection> {
    const { stateDir, readOnly } = this.#options;
    if (readOnly) throw new NarrowError('refused', 'the store was opened with read-only=true');
    makeDirectory(join(stateDir, 'db'));
    const lock = new FileLock(join(stateDir, 'db/big-lock'));
    try {
      await lock.lock('shared', this.#lockOptions(signal, 'the big Nix store lock'));
      if (!hasSchema(stateDir)) {
        lock.unlock();
        await lock.lock('exclusive', this.#lockOptions(signal, 'exclusive access to the Nix store'));
        if (!hasSchema(stateDir)) createDatabase(stateDir);
        await lock.lock('shared', this.#lockOptions(signal, 'the big Nix store lock'));
      }
      const writer = openWriter(stateDir, false);
      this.#reader?.connection[Symbol.dispose]();
      this.#reader = undefined;
      this.#bigLock = lock;
      this.#writer = writer;
      return writer;
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  #lockOptions(signal: AbortSignal | undefined, what: string): LockOptions {
    return { signal, onWait: () => this.#options.warn(`waiting for ${what}`) };
  }

  /** Tries again while another process keeps the database busy. */
  #patiently<T>(doing: string, signal: AbortSignal | undefined, attempt: () => { result: T }): Promise<T> {
    const options = { signal, onWait: () => this.#options.warn(`waiting for the store's database (${doing})`) };
    return poll(() => {
      try {
        return attempt();
      } catch (error) {
        if (isBusy(error)) return undefined;
        throw error;
      }
    }, options).then(({ result }) => result);
  }
}

/** The file with the schema's version is written last: where it is, the database was. */
function lost(stateDir: string): NarrowError {
  const path = join(stateDir, 'db/db.sqlite');
  return new NarrowError('format', `the database ${path} is damaged: the file is not there, though db/schema is`, {
    data: { path },
    hint: 'restore it from a backup; without it nothing knows what the store holds',
  });
}

/** As Nix makes it: the tables in one transaction, then the file that says so. */
function createDatabase(stateDir: string): void {
  const connection = openWriter(stateDir, true);
  try {
    connection.exec(`begin; ${schema} commit;`);
  } finally {
    connection[Symbol.dispose]();
  }
  const file = join(stateDir, 'db/schema');
  const temporary = `${file}.tmp-${process.pid}`;
  try {
    writeFileSync(temporary, String(schemaVersion), { flush: true });
    // Whatever the umask: the daemon's users read these.
    chmodSync(temporary, 0o644);
    chmodSync(join(stateDir, 'db/db.sqlite'), 0o644);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw ioError('write', file, error);
  }
}
