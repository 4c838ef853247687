// Questions to the database, each for many paths at once: lists travel as JSON, so that one prepared statement answers them.

import { NarrowError } from '../../errors.ts';
import { parseContentAddress } from '../../model/content-address.ts';
import { parseHash } from '../../model/hash.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { sortedUnique } from '../../model/path-info.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { parseStorePath } from '../../model/store-path.ts';
import type { Connection, Row } from './connection.ts';

/** References come as the numbers of their rows in one text: a row for each of them takes twice as long. */
const columns = `v.id, v.path, v.hash, v.registrationTime, v.deriver, v.narSize, v.ultimate, v.sigs, v.ca,
    (select group_concat(r.reference) from Refs r where r.referrer = v.id)`;

/** The rows of these paths, which must be full. `cross join` keeps the order: each path is looked up in the index. */
const infosByPath = `select ${columns} from json_each(?) j cross join ValidPaths v on v.path = j.value`;
const pathsById = 'select v.id, v.path from json_each(?) j cross join ValidPaths v on v.id = j.value';
/** The rows of whole closures: one walk inside SQLite. */
const closureIds = `with recursive closure(id) as (
    select v.id from json_each(?) j cross join ValidPaths v on v.path = j.value
    union select r.reference from closure c cross join Refs r on r.referrer = c.id)`;
const infosOfClosure = `${closureIds} select ${columns} from closure c cross join ValidPaths v on v.id = c.id`;

/** Asks one store's database. Remembers paths by id, which are never given twice. */
export class Queries {
  readonly #storeDir: StoreDir;
  readonly #paths = new Map<number, StorePath>();

  constructor(storeDir: StoreDir) {
    this.#storeDir = storeDir;
  }

  /** Infos of those of `paths` that are valid. Throws `format` for a row that cannot be. */
  infos(db: Connection, paths: Iterable<StorePath>): Map<StorePath, PathInfo> {
    return this.#withReferences(db, db.all(infosByPath, this.#json(paths)));
  }

  /** Infos of `paths` and of all they refer to, in no order. */
  closure(db: Connection, paths: Iterable<StorePath>): Map<StorePath, PathInfo> {
    return this.#withReferences(db, db.all(infosOfClosure, this.#json(paths)));
  }

  /** Those of `paths` that are valid. */
  valid(db: Connection, paths: Iterable<StorePath>): Set<StorePath> {
    const rows = db.all(
      'select v.path from json_each(?) j cross join ValidPaths v on v.path = j.value',
      this.#json(paths),
    );
    return new Set(rows.map(([path]) => this.#path(path)));
  }

  allPaths(db: Connection): StorePath[] {
    return db.all('select path from ValidPaths order by path').map(([path]) => this.#path(path));
  }

  byHashPart(db: Connection, hashPart: string): StorePath | undefined {
    const prefix = `${this.#storeDir}/${hashPart}`;
    const [row] = db.all('select path from ValidPaths where path >= ? limit 1', prefix);
    return row && String(row[0]).startsWith(prefix) ? this.#path(row[0]) : undefined;
  }

  #withReferences(db: Connection, rows: readonly Row[]): Map<StorePath, PathInfo> {
    for (const [id, path] of rows) this.#paths.set(Number(id), this.#path(path));
    const referenced = rows.map((row) => (row[9] === null ? [] : String(row[9]).split(',').map(Number)));
    this.#learn(db, referenced);
    const infos = new Map<StorePath, PathInfo>();
    for (const [index, row] of rows.entries()) {
      const path = this.#paths.get(Number(row[0]))!;
      const references = referenced[index]!.map((id) => {
        const reference = this.#paths.get(id);
        if (!reference) throw damaged(db, `${path} refers to row ${id}, which is not there`);
        return reference;
      });
      infos.set(path, this.#info(db, row, path, references));
    }
    return infos;
  }

  /** Finds the paths of rows that are not known yet. */
  #learn(db: Connection, referenced: readonly (readonly number[])[]): void {
    const unknown = new Set<number>();
    for (const ids of referenced) for (const id of ids) if (!this.#paths.has(id)) unknown.add(id);
    if (unknown.size === 0) return;
    for (const [id, path] of db.all(pathsById, JSON.stringify([...unknown])))
      this.#paths.set(Number(id), this.#path(path));
  }

  #info(db: Connection, row: Row, path: StorePath, references: StorePath[]): PathInfo {
    const [, , hash, time, deriver, size, ultimate, sigs, ca] = row;
    try {
      return {
        path,
        narHash: parseHash(String(hash)),
        narSize: narSizeOf(size),
        references: references.length > 1 ? sortedUnique(references) : references,
        deriver: deriver ? this.#path(deriver) : undefined,
        signatures: sigs ? sortedUnique(String(sigs).split(' ').filter(Boolean).map(expectSignature)) : [],
        ca: ca ? parseContentAddress(String(ca)) : undefined,
        registrationTime: Number(time),
        ultimate: ultimate === 1,
      };
    } catch (error) {
      if (!(error instanceof NarrowError)) throw error;
      throw damaged(db, `the row of ${path}: ${error.message}`);
    }
  }

  #path(text: unknown): StorePath {
    return parseStorePath(this.#storeDir, String(text));
  }

  #json(paths: Iterable<StorePath>): string {
    return JSON.stringify(Array.from(paths, (path) => `${this.#storeDir}/${path}`));
  }
}

/** Bytes; none where the size is not known, as for paths that an old Nix registered. Throws `format`. */
function narSizeOf(value: unknown): number {
  const size = Number(value ?? 0);
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw new NarrowError('format', `bad NAR size: expected a number of bytes, got ${String(value)}`);
}

/** The current Nix refuses the row otherwise, 2.8 takes it for one that nobody trusts. Throws `format`. */
function expectSignature(text: string): string {
  if (/^[^:]+:[A-Za-z0-9+/]+=*$/.test(text)) return text;
  throw new NarrowError('format', `bad signature '${text.slice(0, 120)}': expected 'name:base64'`);
}

function damaged(db: Connection, what: string): NarrowError {
  return new NarrowError('format', `the database ${db.path} is damaged: ${what}`, {
    data: { path: db.path },
    hint: "let Nix look at it: 'nix-store --verify'",
  });
}
