// Stores whose database is not as it should be: what to do to a copy of a good one.
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../run.ts';
import type { Broken } from './broken.ts';

export interface BrokenDatabase extends Broken {
  /** Breaks the store below `root`. */
  readonly apply: (root: string) => Promise<void>;
}

const dir = (root: string): string => join(root, 'nix/var/nix/db');
const file = (root: string): string => join(dir(root), 'db.sqlite');

const sql =
  (statements: string) =>
  async (root: string): Promise<void> => {
    // foreign keys are off in the shell, so that rows may contradict each other
    await run(['sqlite3', '-bail', file(root), statements]);
  };
const schema =
  (text: string) =>
  async (root: string): Promise<void> =>
    writeFileSync(join(dir(root), 'schema'), text);

type Row = readonly [name: string, why: string, apply: (root: string) => Promise<void>, nixAccepts?: true];

const rows = (top: string): readonly Row[] => [
  ['schema-9', 'says an older schema than it has', schema('9')],
  ['schema-11', 'a newer schema', schema('11')],
  ['schema-text', 'a schema that is no number', schema('ten')],
  ['schema-empty', 'an empty file schema', schema('')],
  ['no-table', 'no table Refs', sql('drop table Refs')],
  ['no-column', 'no column narSize', sql('alter table ValidPaths rename column narSize to size')],
  ['empty', 'a database of no bytes', async (root) => truncateSync(file(root))],
  [
    'cut',
    'a database that ends half-way',
    async (root) => {
      await sql('pragma wal_checkpoint(truncate)')(root);
      truncateSync(file(root), readFileSync(file(root)).length >> 1);
    },
  ],
  ['text', 'a database that is a text', async (root) => writeFileSync(file(root), 'this is no database\n'.repeat(100))],
  ['gone', 'no database though there is a schema', async (root) => rmSync(file(root))],
  ['hash', 'a hash that is none', sql(`update ValidPaths set hash = 'sha256:xyz' where path = '${top}'`)],
  ['hash-algorithm', 'a hash of an unknown kind', sql(`update ValidPaths set hash = 'crc:00' where path = '${top}'`)],
  ['path', 'a path outside of the store', sql(`update ValidPaths set path = '/etc/escaped' where path = '${top}'`)],
  ['nar-size', 'a negative size', sql(`update ValidPaths set narSize = -1 where path = '${top}'`), true],
  ['signature', 'a signature without a colon', sql(`update ValidPaths set sigs = 'nonsense' where path = '${top}'`)],
  [
    'content-address',
    'a content address of no known kind',
    sql(`update ValidPaths set ca = 'magic:0' where path = '${top}'`),
  ],
  [
    'dangling',
    'a reference to a row that is not there',
    sql(`insert into Refs select id, 1000000 from ValidPaths where path = '${top}'`),
    true,
  ],
];

/** Some breakages are in the row of `path`. `nixAccepts` is said of asking for its closure. */
export function* brokenDatabases(path: string): Generator<BrokenDatabase> {
  for (const [name, why, apply, nixAccepts] of rows(path))
    yield { name, why, apply, ...(nixAccepts && { nixAccepts }) };
}
