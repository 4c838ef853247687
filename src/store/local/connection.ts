// One connection to a store's database (node:sqlite), with prepared statements kept and errors told apart. A busy database
// is never waited for inside SQLite, which would stop the whole process: callers poll.

import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { SQLInputValue, StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { NarrowError, ioError } from '../../errors.ts';

export type Value = SQLInputValue;
/** A row as an array, in the order of the query's columns. */
export type Row = Value[];

/** Milliseconds that SQLite itself waits for another's short lock. */
const BUSY_TIMEOUT = 20;

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

export class Connection implements Disposable {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string, location: string, readOnly: boolean) {
    this.path = path;
    this.#db = this.#do(() => new DatabaseSync(location, { readOnly, timeout: BUSY_TIMEOUT }));
  }

  /** Whether a transaction is open. */
  get inTransaction(): boolean {
    return this.#db.isTransaction;
  }

  /** Runs statements that give no rows and take no values. */
  exec(sql: string): void {
    this.#do(() => this.#db.exec(sql));
  }

  /** All rows of a query. */
  all(sql: string, ...values: Value[]): Row[] {
    return this.#do(() => this.#prepare(sql).all(...values) as unknown as Row[]);
  }

  /** Runs a statement; the number of rows it changed. */
  run(sql: string, ...values: Value[]): number {
    return this.#do(() => Number(this.#prepare(sql).run(...values).changes));
  }

  hasTable(name: string): boolean {
    return this.all("select 1 from sqlite_master where type = 'table' and name = ?", name).length > 0;
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql);
      statement.setReturnArrays(true);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #do<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw databaseError(error, this.path);
    }
  }
}

/** A connection that writes, set up as Nix does. The file must exist unless `create`. */
export function openWriter(stateDir: string, create: boolean): Connection {
  const path = join(stateDir, 'db/db.sqlite');
  const connection = new Connection(path, `${pathToFileURL(path).href}?mode=${create ? 'rwc' : 'rw'}`, false);
  try {
    connection.exec('pragma foreign_keys = 1; pragma synchronous = normal;');
    // Whoever made the database chose its mode: Nix sets write-ahead logging unless use-sqlite-wal is off.
    if (create) connection.exec('pragma main.journal_mode = wal;');
    connection.exec('pragma wal_autocheckpoint = 40000; pragma journal_size_limit = 1099511627776;');
    return connection;
  } catch (error) {
    connection[Symbol.dispose]();
    throw error;
  }
}

/**
 * A connection that only reads, beside whoever writes: first an ordinary one, which needs the write-ahead log's files or the
 * permission to make them; where that cannot be and no log is there, one that takes the file for unchanging. Undefined when
 * there is no database. Throws `unavailable` when it cannot be read safely.
 */
export function openReader(
  stateDir: string,
  immutable: boolean,
): { connection: Connection; immutable: boolean } | undefined {
  const path = join(stateDir, 'db/db.sqlite');
  try {
    if (!statSync(path, { throwIfNoEntry: false })) return undefined;
  } catch (error) {
    throw ioError('read the database', path, error);
  }
  if (immutable) return { connection: tryReader(path, 'immutable=1'), immutable };
  try {
    return { connection: tryReader(path, 'mode=ro'), immutable };
  } catch (error) {
    if (!isCode(error, SQLITE_CANTOPEN, SQLITE_READONLY)) throw error;
    if (existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 0) throw unreadable(path, error);
    return { connection: tryReader(path, 'immutable=1'), immutable: true };
  }
}

function tryReader(path: string, parameter: string): Connection {
  const connection = new Connection(path, `${pathToFileURL(path).href}?${parameter}`, true);
  try {
    // SQLite opens the file at the first question.
    connection.all('select id from ValidPaths limit 1');
    return connection;
  } catch (error) {
    connection[Symbol.dispose]();
    throw error;
  }
}

function unreadable(path: string, cause: unknown): NarrowError {
  return new NarrowError(
    'unavailable',
    `cannot read ${path}: another process is writing it, and this user may not take part`,
    {
      cause,
      hint: 'ask the daemon (--from daemon), or run as the owner of the store',
    },
  );
}

/** True for an error of SQLite's with one of these primary codes, wrapped or not. */
function isCode(error: unknown, ...codes: number[]): boolean {
  const cause = error instanceof NarrowError ? error.cause : error;
  const code = (cause as { errcode?: number } | undefined)?.errcode;
  return code !== undefined && codes.includes(code & 0xff);
}

/** True when another process holds the database for the moment. */
export function isBusy(error: unknown): boolean {
  return isCode(error, SQLITE_BUSY, SQLITE_LOCKED);
}

function databaseError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !('errcode' in error)) return error;
  const reason = error.message;
  if (isCode(error, SQLITE_CORRUPT, SQLITE_NOTADB) || /^no such (table|column)/.test(reason)) {
    return new NarrowError('format', `the database ${path} is damaged: ${reason}`, {
      cause: error,
      data: { path },
      hint: `look at it with: sqlite3 ${path} 'pragma integrity_check', and restore it from a backup`,
    });
  }
  if (isBusy(error)) return new NarrowError('unavailable', `the database ${path} is busy: ${reason}`, { cause: error });
  if (isCode(error, SQLITE_FULL)) return ioError('write the database', path, Object.assign(error, { code: 'ENOSPC' }));
  if (isCode(error, SQLITE_CANTOPEN, SQLITE_IOERR, SQLITE_READONLY)) {
    return new NarrowError('io', `cannot use the database ${path}: ${reason}`, { cause: error, data: { path } });
  }
  return error;
}
