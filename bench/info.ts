// How fast are questions answered, against nix path-info: a large closure, one path, and a store of 100,000 paths?

import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { freshStore, nixes } from '../test/lab/nix.ts';
import type { Nix } from '../test/lab/nix.ts';
import { corpus } from './corpus.ts';
import { measure, report } from './harness.ts';
import { encodeBase32 } from '../src/model/base32.ts';
import { hashBytes } from '../src/model/hash.ts';

const query = (nix: Nix, store: string | undefined, ...args: string[]): string[] => [
  join(nix.bin, 'nix'),
  'path-info',
  '--json',
  ...(store === undefined ? [] : ['--store', store]),
  ...args,
];

export async function run(narrow: string, rounds: number): Promise<void> {
  const large = await corpus('large');
  const ask = async (
    title: string,
    turns: number,
    url: string,
    store: string | undefined,
    top: string,
    ...flags: string[]
  ): Promise<void> => {
    const all = [
      { name: 'narrow', argv: [narrow, 'info', '--json', '--store', url, ...flags, top] },
      ...nixes().map((nix) => ({ name: `nix ${nix.label}`, argv: query(nix, store, ...flags, top), env: nix.env() })),
    ];
    report(title, await measure(all, turns), 'narrow');
  };
  await ask(
    `info -r --json of ${large.label} (${large.paths.length} paths)`,
    rounds * 5,
    large.storeUrl,
    large.root,
    large.top,
    '-r',
  );
  await ask('info --json of one path', rounds * 5, large.storeUrl, large.root, large.top);
  const { root, top } = await syntheticStore(100_000);
  const title = 'info -r --json in a store of 100,000 paths, all of them';
  await ask(title, rounds, `local?root=${root}`, root, top, '-r');
}

/** A store whose database has `count` paths, each with references to up to eight earlier ones; no files. */
async function syntheticStore(count: number): Promise<{ root: string; top: string }> {
  const root = await freshStore();
  const db = new DatabaseSync(join(root, 'nix/var/nix/db/db.sqlite'));
  const path = db.prepare(
    'insert into ValidPaths (id, path, hash, registrationTime, narSize) values (?, ?, ?, 1, 1000)',
  );
  const reference = db.prepare('insert or ignore into Refs (referrer, reference) values (?, ?)');
  db.exec('begin');
  let top = '';
  for (let id = 1; id <= count; id++) {
    const digest = hashBytes(`path ${id}`).bytes;
    top = `/nix/store/${encodeBase32(digest.subarray(0, 20))}-package-${id}`;
    path.run(id, top, `sha256:${Buffer.from(digest).toString('hex')}`);
    if (id > 1) reference.run(id, id - 1);
    for (let k = 0; k < 7 && id > 1; k++) reference.run(id, 1 + ((digest[k]! * 977 + digest[k + 8]!) % (id - 1)));
  }
  db.exec('commit');
  db.close();
  return { root, top };
}
