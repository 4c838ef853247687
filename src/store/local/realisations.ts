// Realisations in the database. Nix 2.4 to 2.34 keeps them in Realisations and RealisationsRefs, by hash; Nix from 2.35 on in
// BuildTraceV3, by derivation. The tables are there only where ca-derivations was enabled once.

import { NarrowError } from '../../errors.ts';
import { sortedUnique } from '../../model/path-info.ts';
import type { HashedRealisation, Realisation, TracedRealisation } from '../../model/realisation.ts';
import { realisationId } from '../../model/realisation.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import { isDerivationPath, parseBaseName, parseStorePath, printStorePath } from '../../model/store-path.ts';
import type { Connection } from './connection.ts';
import { realisationSchema } from './schema.ts';

const words = (text: unknown): string[] => (text ? sortedUnique(String(text).split(' ').filter(Boolean)) : []);

/** The realisations whose output is one of `paths`. Throws `format`. */
export function readRealisations(db: Connection, storeDir: StoreDir, paths: readonly StorePath[]): Realisation[] {
  const json = JSON.stringify(paths.map((path) => printStorePath(storeDir, path)));
  const hashed = db.hasTable('Realisations') ? readHashed(db, storeDir, json) : [];
  return db.hasTable('BuildTraceV3') ? [...hashed, ...readTraced(db, storeDir, json)] : hashed;
}

function readHashed(db: Connection, storeDir: StoreDir, paths: string): HashedRealisation[] {
  const rows = db.all(
    `select r.id, r.drvPath, r.outputName, v.path, r.signatures from json_each(?) j
      cross join ValidPaths v on v.path = j.value join Realisations r on r.outputPath = v.id`,
    paths,
  );
  return rows.map(([id, hash, output, path, signatures]) => ({
    kind: 'hashed',
    id: `${String(hash)}!${String(output)}`,
    outPath: parseStorePath(storeDir, String(path)),
    signatures: words(signatures),
    dependentRealisations: Object.fromEntries(
      db
        .all(
          `select d.drvPath, d.outputName, v.path from RealisationsRefs f join Realisations d on d.id = f.realisationReference
            join ValidPaths v on v.id = d.outputPath where f.referrer = ?`,
          id!,
        )
        .map((row) => [`${String(row[0])}!${String(row[1])}`, parseStorePath(storeDir, String(row[2]))]),
    ),
  }));
}

function readTraced(db: Connection, storeDir: StoreDir, paths: string): TracedRealisation[] {
  const rows = db.all(
    'select b.drvPath, b.outputName, b.outputPath, b.signatures from BuildTraceV3 b where b.outputPath in (select value from json_each(?))',
    paths,
  );
  return rows.map(([drv, output, path, signatures]) => ({
    kind: 'traced',
    drvPath: derivation(String(drv)),
    output: String(output),
    outPath: parseStorePath(storeDir, String(path)),
    signatures: words(signatures),
  }));
}

function derivation(name: string): StorePath {
  const path = parseBaseName(name);
  if (!isDerivationPath(path))
    throw new NarrowError('format', `bad realisation in the database: ${name} is no derivation`);
  return path;
}

/**
 * Writes realisations within a transaction; their outputs must be valid. Known ones get the signatures they lack. Throws
 * `differs` where another output is registered, `refused` where the database cannot hold them.
 */
export function writeRealisations(db: Connection, storeDir: StoreDir, realisations: readonly Realisation[]): void {
  for (const realisation of realisations) {
    if (realisation.kind === 'hashed') writeHashed(db, storeDir, realisation);
    else writeTraced(db, storeDir, realisation);
  }
}

function writeHashed(db: Connection, storeDir: StoreDir, realisation: HashedRealisation): void {
  if (!db.hasTable('Realisations')) {
    if (db.hasTable('BuildTraceV3'))
      throw refusal(db, realisation, 'its Nix (2.35 or newer) keeps build traces instead');
    db.exec(realisationSchema);
  }
  const id = putHashed(db, storeDir, realisation, realisation.id, realisation.outPath, realisation.signatures);
  for (const [dependency, path] of Object.entries(realisation.dependentRealisations)) {
    // The signature that vouches for this realisation vouches for what it says of others: one that was not sent itself
    // (Nix has them of input-addressed outputs, too) is known by that.
    const dependencyId = putHashed(db, storeDir, realisation, dependency, path, []);
    db.run(
      `insert into RealisationsRefs (referrer, realisationReference) select ?1, ?2
        where not exists (select 1 from RealisationsRefs where referrer = ?1 and realisationReference = ?2)`,
      id,
      dependencyId,
    );
  }
}

/** The row of a realisation, made when it is not there. `of` is the one being written, for errors. */
function putHashed(
  db: Connection,
  storeDir: StoreDir,
  of: HashedRealisation,
  id: string,
  outPath: StorePath,
  signatures: readonly string[],
): number {
  const mark = id.indexOf('!');
  const [hash, output, path] = [id.slice(0, mark), id.slice(mark + 1), printStorePath(storeDir, outPath)];
  const [row] = db.all(
    'select r.id, v.path, r.signatures from Realisations r join ValidPaths v on v.id = r.outputPath where r.drvPath = ? and r.outputName = ?',
    hash,
    output,
  );
  if (row) {
    if (row[1] !== path) throw conflict(id, String(row[1]), path);
    if (signatures.length > 0)
      db.run('update Realisations set signatures = ? where id = ?', joined(words(row[2]), signatures), row[0]!);
    return Number(row[0]);
  }
  const added = db.run(
    'insert into Realisations (drvPath, outputName, outputPath, signatures) select ?, ?, id, ? from ValidPaths where path = ?',
    hash,
    output,
    joined([], signatures),
    path,
  );
  if (added === 0) throw refusal(db, of, `${outPath}, the output of ${id}, is not valid`);
  return Number(db.all('select last_insert_rowid()')[0]![0]);
}

function writeTraced(db: Connection, storeDir: StoreDir, realisation: TracedRealisation): void {
  if (!db.hasTable('BuildTraceV3'))
    throw refusal(db, realisation, 'only Nix from 2.35 on, with ca-derivations, makes the table BuildTraceV3');
  const { drvPath, output } = realisation;
  const path = printStorePath(storeDir, realisation.outPath);
  const [row] = db.all(
    'select id, outputPath, signatures from BuildTraceV3 where drvPath = ? and outputName = ?',
    drvPath,
    output,
  );
  if (row) {
    if (row[1] !== path) throw conflict(realisationId(realisation), String(row[1]), path);
    db.run(
      'update BuildTraceV3 set signatures = ? where id = ?',
      joined(words(row[2]), realisation.signatures),
      row[0]!,
    );
    return;
  }
  const values = [drvPath, output, path, joined([], realisation.signatures)];
  db.run('insert into BuildTraceV3 (drvPath, outputName, outputPath, signatures) values (?, ?, ?, ?)', ...values);
}

function joined(known: readonly string[], signatures: readonly string[]): string {
  return sortedUnique([...known, ...signatures]).join(' ');
}

function refusal(db: Connection, realisation: Realisation, why: string): NarrowError {
  return new NarrowError(
    'refused',
    `the database ${db.path} cannot hold the realisation ${realisationId(realisation)}: ${why}`,
    {
      data: { path: db.path, realisation: realisationId(realisation) },
      hint: 'open the store once with that Nix and the experimental feature ca-derivations',
    },
  );
}

function conflict(id: string, there: string, offered: string): NarrowError {
  return new NarrowError(
    'differs',
    `the realisation ${id} is registered with another output: ${there}, got ${offered}`,
    {
      data: { realisation: id, there, offered },
    },
  );
}
