// Writing path infos to the database, within a transaction of the caller's: what makes paths valid.

import { NarrowError } from '../../errors.ts';
import { formatContentAddress } from '../../model/content-address.ts';
import { formatHash } from '../../model/hash.ts';
import type { PathInfo } from '../../model/path-info.ts';
import { sortedUnique } from '../../model/path-info.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { Connection } from './connection.ts';

export interface Registration {
  readonly info: PathInfo;
  /** Of a derivation: its outputs whose paths are known. */
  readonly outputs?: ReadonlyMap<string, StorePath> | undefined;
}

const idOf = 'select id from ValidPaths where path = ?';
const insert =
  'insert into ValidPaths (path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca) values (?, ?, ?, ?, ?, null, ?, ?)';
const update = 'update ValidPaths set hash = ?, narSize = ?, ultimate = null, sigs = ?, ca = ? where id = ?';
const refer = `insert or replace into Refs (referrer, reference)
  select ?, v.id from json_each(?) j cross join ValidPaths v on v.path = j.value`;

/** Registers paths that refer to valid ones or to each other. Throws `missing` for a reference that is not valid. */
export function registerPaths(db: Connection, storeDir: StoreDir, registrations: readonly Registration[]): void {
  const now = Math.floor(Date.now() / 1000);
  const ids = registrations.map(({ info }) => putPath(db, storeDir, info, now));
  for (const [index, { info, outputs }] of registrations.entries()) {
    const id = ids[index]!;
    const references = info.references.map((path) => printStorePath(storeDir, path));
    if (references.length > 0 && db.run(refer, id, JSON.stringify(references)) !== references.length) {
      throw new NarrowError(
        'missing',
        `${info.path} refers to paths that are not valid any more: another process deleted them`,
      );
    }
    for (const [name, path] of outputs ?? []) {
      db.run(
        'insert or replace into DerivationOutputs (drv, id, path) values (?, ?, ?)',
        id,
        name,
        printStorePath(storeDir, path),
      );
    }
  }
}

function putPath(db: Connection, storeDir: StoreDir, info: PathInfo, now: number): number {
  const path = printStorePath(storeDir, info.path);
  const hash = formatHash(info.narHash, 'base16');
  const signatures = info.signatures.length > 0 ? info.signatures.join(' ') : null;
  const ca = info.ca ? formatContentAddress(info.ca) : null;
  const [known] = db.all(idOf, path);
  if (known) {
    db.run(update, hash, info.narSize, signatures, ca, known[0]!);
    return Number(known[0]);
  }
  const deriver = info.deriver ? printStorePath(storeDir, info.deriver) : null;
  db.run(insert, path, hash, now, deriver, info.narSize, signatures, ca);
  return Number(db.all(idOf, path)[0]![0]);
}

/** Adds signatures to a valid path, if it is the same object. Throws `missing`, `differs`. */
export function registerSignatures(
  db: Connection,
  storeDir: StoreDir,
  path: StorePath,
  narHash: string,
  signatures: readonly string[],
): void {
  const [row] = db.all('select id, hash, sigs from ValidPaths where path = ?', printStorePath(storeDir, path));
  if (!row) throw new NarrowError('missing', `${path} is not valid in the store`, { data: { path } });
  const [id, hash, known] = row;
  if (hash !== narHash) {
    throw new NarrowError(
      'differs',
      `${path} has other contents here: its NAR hash is ${String(hash)}, the signatures are for ${narHash}`,
      {
        data: { path, here: hash, signed: narHash },
      },
    );
  }
  const all = sortedUnique([
    ...String(known ?? '')
      .split(' ')
      .filter(Boolean),
    ...signatures,
  ]);
  db.run('update ValidPaths set sigs = ? where id = ?', all.join(' '), id!);
}
