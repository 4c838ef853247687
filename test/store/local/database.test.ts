// One database used by many at once within a process: each change is its own transaction.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Database } from '../../../src/store/local/database.ts';
import { parseStorePath } from '../../../src/model/store-path.ts';
import { closure } from '../../lab/closures.ts';
import { freshStore } from '../../lab/nix.ts';
import { copyAll, closureInfos, openRoot } from './stores.ts';

async function openDatabase(): Promise<Database> {
  const root = await freshStore();
  return new Database({ stateDir: `${root}/nix/var/nix`, readOnly: false, warn: () => {} });
}

const insert = (name: string): string =>
  `insert into ValidPaths (path, hash, registrationTime) values ('/nix/store/${name}', 'sha256:0', 0)`;

test('changes that are asked for at once come one after the other', async () => {
  using database = await openDatabase();
  const seen = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      database.write((db) => {
        db.exec(insert(String(i)));
        return Number(db.all('select count(*) from ValidPaths')[0]![0]);
      }),
    ),
  );
  assert.deepEqual(
    seen,
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
});

test('one that fails is taken back alone, and one that is stopped never begins', async () => {
  using database = await openDatabase();
  const stop = new AbortController();
  const results = Promise.allSettled([
    database.write((db) => db.exec(insert('first'))),
    database.write((db) => {
      db.exec(insert('second'));
      throw new Error('no');
    }),
    database.write((db) => db.exec(insert('third')), stop.signal),
    database.write((db) => db.exec(insert('fourth'))),
  ]);
  stop.abort(new Error('stopped'));
  assert.deepEqual(
    (await results).map((r) => r.status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  );
  const rows = await database.read((db) => db.all('select path from ValidPaths order by path'));
  assert.deepEqual(rows?.flat(), ['/nix/store/first', '/nix/store/fourth']);
});

test('letting go of the lock waits for a change that is under way', async () => {
  using database = await openDatabase();
  const written = database.write((db) => db.exec(insert('a')));
  const released = database.release();
  await written;
  await released;
  await database.write((db) => db.exec(insert('b')));
  assert.equal((await database.read((db) => db.all('select path from ValidPaths')))?.length, 2);
});

test('signatures are added while paths are added, all at once', async () => {
  const [basic, more] = [await closure('basic'), await closure('rebuilt')];
  const parse = (path: string) => parseStorePath('/nix/store', path);
  await using source = await openRoot(basic.root, { mode: 'read' });
  await using other = await openRoot(more.root, { mode: 'read' });
  await using store = await openRoot(await freshStore());
  const paths = basic.paths.map(parse);
  await copyAll(source, store, paths);
  const infos = await closureInfos(source, paths);
  const adding = copyAll(other, store, more.paths.map(parse));
  const signing = [...infos.values()].map((info) => store.addSignatures(info.path, info.narHash, ['key-1:AAAA']));
  await Promise.all([...signing, adding]);
  const signed = await store.pathInfos(paths);
  assert.ok([...signed.values()].every((info) => info.signatures.includes('key-1:AAAA')));
  assert.equal((await store.pathInfos(more.paths.map(parse))).size, more.paths.length);
});
