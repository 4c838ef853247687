// narrow copy from end to end, with every Nix at the other side of stores and caches.

import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { closure, copyOfStore, keyPair } from '../lab/closures.ts';
import { startNginx } from '../lab/nginx.ts';
import { freshStore, nix, nixes } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';

const local = (root: string): string => `local?root=${root}`;
const signatures = 'require-sigs = true\ntrusted-public-keys = ';

for (const compression of ['none', 'xz', 'zstd']) {
  test(`store to signed cache (${compression}), from which every Nix takes it with only the public key trusted`, async () => {
    const { root, top } = await closure('basic');
    const key = await keyPair('lab-1');
    const cache = join(tempDir('cache'), 'c');
    await narrow([
      'copy',
      '--from',
      local(root),
      '--to',
      `file://${cache}?compression=${compression}&secret-key=${key.secretFile}`,
      top,
    ]);
    for (const which of nixes()) {
      const store = tempDir('nix-store');
      const conf = `${signatures}${key.publicKey}\n`;
      await which.run('nix', ['copy', '--from', `file://${cache}`, '--to', store, top], { conf });
      assert.equal(await which.complaints(store), undefined, which.label);
      await which.run('nix', ['store', 'verify', '--store', store, '-r', top], { conf });
    }
  });
}

for (const which of nixes()) {
  test(`a cache that Nix ${which.label} signed comes into a store that every Nix finds clean`, async () => {
    const { root, top, paths } = await closure('basic');
    const key = await keyPair('lab-1');
    const [cache, store] = [join(tempDir('cache'), 'c'), await freshStore()];
    await which.run('nix', [
      'copy',
      '--no-check-sigs',
      '--from',
      root,
      '--to',
      `file://${cache}?secret-key=${key.secretFile}${which.label === '2.8' ? '&write-nar-listing=1' : ''}`,
      top,
    ]);
    await using web = await startNginx(cache);
    const refused = await fails(1, ['copy', '--from', web.url, '--to', local(store), top]);
    assert.match(refused, /would refuse \d+ of \d+ paths[^]*lacks a valid signature by a trusted key/);
    assert.equal(readdirSync(join(store, 'nix/store')).filter((name) => name !== '.links').length, 0);
    await narrow(['copy', '--trusted-public-key', key.publicKey, '--from', web.url, '--to', local(store), top]);
    for (const judge of nixes()) {
      assert.equal(await judge.complaints(store), undefined, judge.label);
      assert.deepEqual((await judge.store(store, '-qR', top)).split('\n').sort(), [...paths].sort());
    }
    const again = JSON.parse(
      (
        await narrow([
          'copy',
          '--json',
          '--trusted-public-key',
          key.publicKey,
          '--from',
          web.url,
          '--to',
          local(store),
          top,
        ])
      ).stdout,
    ) as { bytes: number; plan: { valid: number } };
    assert.deepEqual([again.bytes, again.plan.valid], [0, paths.length]);
  });
}

test('by HTTP PUT into a cache, then on into another: NARs pass through as they are', async () => {
  const { root, top } = await closure('signed');
  const [first, second] = [tempDir('put'), join(tempDir('second'), 'c')];
  await using web = await startNginx(first, { writable: true });
  await narrow(['copy', '--from', local(root), '--to', `${web.url}?compression=zstd`, top]);
  await narrow(['copy', '--from', web.url, '--to', `file://${second}`, top]);
  const nars = (dir: string): string[] => readdirSync(join(dir, 'nar')).sort();
  assert.deepEqual(nars(second), nars(first));
  for (const name of nars(first))
    assert.ok(readFileSync(join(first, 'nar', name)).equals(readFileSync(join(second, 'nar', name))));
  const key = await keyPair('lab-1');
  const store = await freshStore();
  await narrow([
    'copy',
    '--trusted-public-key',
    key.publicKey,
    '--from',
    `file://${second}`,
    '--to',
    local(store),
    top,
  ]);
  assert.equal(await nix('2.8').complaints(store), undefined);
});

test('--dry-run shows the plan and touches nothing', async () => {
  const { root, top, paths } = await closure('basic');
  const dir = tempDir('dry');
  const { stderr } = await narrow(['copy', '--dry-run', '--from', local(root), '--to', `file://${dir}/c`, top]);
  assert.match(stderr, new RegExp(`${paths.length} paths, 0 there already, ${paths.length} to copy`));
  assert.match(stderr, /paths without a signature/);
  assert.deepEqual(readdirSync(dir), []);
  const json = JSON.parse(
    (await narrow(['copy', '--dry-run', '--json', '--from', local(root), '--to', `file://${dir}/c`, top])).stdout,
  ) as { dryRun: boolean; plan: { missing: unknown[] } };
  assert.equal(json.dryRun, true);
  assert.equal(json.plan.missing.length, paths.length);
});

test('--out-link and --profile keep the path from being collected, and generations count as in nix-env', async () => {
  const { root, top } = await closure('basic');
  const store = await freshStore();
  const link = join(tempDir('link'), 'result');
  const profile = join(store, 'nix/var/nix/profiles/system');
  const args = ['copy', '--no-check-sigs', '--from', local(root), '--to', local(store)];
  await narrow([...args, '--out-link', link, top]);
  assert.equal(readlinkSync(link), top);
  await narrow([...args, '--profile', profile, top]);
  const { stderr } = await narrow([...args, '--profile', profile, top]);
  assert.ok(stderr.endsWith(`nothing to copy: all 29 paths are there\n${profile} leads to ${top}\n`), stderr);
  assert.equal(readlinkSync(profile), 'system-1-link');
  for (const which of nixes()) {
    await which.run('nix-store', ['--gc'], { store });
    await which.store(store, '--check-validity', top);
  }
});

test('two stores with different bytes under one path: told, exit status 3, and no foreign signature is added', async () => {
  const { root, named } = await closure('signed');
  const path = Object.values(named).find((p) => p.endsWith('-odd-names-1')) ?? assert.fail('no odd-names');
  const other = await copyOfStore(root);
  const file = join(other, path, 'program');
  chmodSync(join(other, path), 0o755);
  chmodSync(file, 0o755);
  writeFileSync(file, '#!/bin/sh\necho other bytes\n');
  chmodSync(file, 0o555);
  chmodSync(join(other, path), 0o555);
  await run(['touch', '-d', '@1', file, join(other, path)]);
  const dump = (await nix('2.8').run('nix-store', ['--dump', join(other, path)])).bytes;
  const { createHash } = await import('node:crypto');
  const db = new DatabaseSync(join(other, 'nix/var/nix/db/db.sqlite'));
  db.prepare('update ValidPaths set hash = ?, narSize = ?, sigs = null, ultimate = null where path = ?').run(
    `sha256:${createHash('sha256').update(dump).digest('hex')}`,
    dump.length,
    path,
  );
  db.close();
  const said = await fails(3, ['copy', '--no-check-sigs', '--from', local(root), '--to', local(other), path]);
  assert.match(said, /differs, and stays as it is there:\n +\S+-odd-names-1 has other contents there/);
  const after = JSON.parse((await narrow(['info', '--json', '--store', local(other), path])).stdout) as Record<
    string,
    { signatures: string[] }
  >;
  assert.deepEqual(after[path]!.signatures, []);
  const key = await keyPair('lab-1');
  for (const which of nixes()) {
    assert.equal(await which.complaints(other), undefined);
    const verdict = await which.run('nix', ['store', 'verify', '--store', other, path], {
      conf: `${signatures}${key.publicKey}\n`,
      mayFail: true,
    });
    assert.notEqual(verdict.status, 0, `${which.label} should find it untrusted`);
  }
});

test('a signature made later is added to a path that is there already', async () => {
  const [{ root: signed, top }, { root: unsigned }] = [await closure('signed'), await closure('basic')];
  const store = await copyOfStore(unsigned);
  const { stderr } = await narrow(['copy', '--no-check-sigs', '--from', local(signed), '--to', local(store), top]);
  assert.match(stderr, /signatures added to \d+/);
  const key = await keyPair('lab-1');
  await nix('current').run('nix', ['store', 'verify', '-r', '--store', store, top], {
    conf: `${signatures}${key.publicKey}\n`,
  });
});

test('realisations of content-addressed derivations travel with their outputs, or the copy is refused by name', async () => {
  const { root, paths } = await closure('ca');
  const [cache, store] = [join(tempDir('ca'), 'c'), await copyOfStore((await closure('ca')).root)];
  const count = (at: string): number => {
    const db = new DatabaseSync(join(at, 'nix/var/nix/db/db.sqlite'), { readOnly: true });
    try {
      // Nix also writes rows for input-addressed outputs, which say nothing that is not in the derivation
      const rows = db
        .prepare('select path from Realisations join ValidPaths v on v.id = outputPath where v.ca is not null')
        .all();
      return rows.filter((row) => paths.includes(row['path'] as string)).length;
    } finally {
      db.close();
    }
  };
  assert.ok(count(root) > 0);
  const db = new DatabaseSync(join(store, 'nix/var/nix/db/db.sqlite'));
  db.exec('delete from RealisationsRefs; delete from Realisations');
  db.close();
  await narrow(['copy', '--from', local(root), '--to', `file://${cache}`, ...paths]);
  assert.equal(readdirSync(join(cache, 'realisations')).length, count(root));
  await narrow(['copy', '--no-check-sigs', '--from', `file://${cache}`, '--to', local(store), ...paths]);
  assert.equal(count(store), count(root), 'paths that were there already get their realisations, too');
});

test('without --recursive a path whose references are missing is refused, and the store stays empty', async () => {
  const { root, top } = await closure('basic');
  const store = await freshStore();
  const said = await fails(1, [
    'copy',
    '--no-check-sigs',
    '--no-recursive',
    '--from',
    local(root),
    '--to',
    local(store),
    top,
  ]);
  assert.match(said, /which is not|references? .* not valid|refers to/);
  assert.ok(!existsSync(join(store, top)));
  assert.equal(await nix('2.8').complaints(store), undefined);
});

test('what is asked for and not there is told with status 1, wrong usage with 2', async () => {
  const { root } = await closure('basic');
  const absent = '/nix/store/00000000000000000000000000000000-absent';
  assert.match(
    await fails(1, ['copy', '--from', local(root), '--to', `file://${tempDir('x')}/c`, absent]),
    /does not have 0{32}-absent/,
  );
  assert.match(await fails(3, ['info', '--store', local(root), absent]), /does not have/);
  assert.match(await fails(2, ['copy', '--from', 'nonsense', absent]), /no store URL/);
  assert.match(await fails(2, ['copy', '--nonsense']), /unknown option/);
  assert.match(await fails(2, ['copy', '--to', 'me@pi', absent]), /hint: .* ssh:\/\/me@pi/);
  assert.match(await fails(2, ['nonsense']), /unknown command/);
  const help = (...args: string[]): Promise<string> => narrow(args).then(({ stdout }) => stdout);
  assert.equal(await help('help', 'key', 'generate'), await help('key', 'generate', '--help'));
  assert.match(await fails(2, ['help', 'coppy']), /^narrow: unknown command 'coppy'\n  hint: did you mean copy\?/);
  assert.equal(
    await fails(2, ['key', 'generate', 'a', 'b']),
    "narrow: too many arguments for 'generate': expected 1 argument, got 2\n  hint: see narrow key generate --help\n",
  );
});

test('several sources: what one lacks another gives, and one that is out of reach is told', async () => {
  const { root, top, paths } = await closure('basic');
  const cache = `file://${join(tempDir('part'), 'c')}`;
  const bash = paths.find((path) => path.endsWith('-bash-5.2'))!;
  await narrow(['copy', '--from', local(root), '--to', cache, bash]);
  const store = await freshStore();
  const args = [
    '--no-check-sigs',
    '--from',
    'http://127.0.0.1:9',
    '--from',
    'file:///media/not-plugged-in',
    '--from',
    cache,
    '--from',
    local(root),
    '--to',
    local(store),
    top,
  ];
  const { stderr } = await narrow(['copy', ...args], { env: { NIX_CONFIG: 'download-attempts = 1' } });
  assert.match(stderr, /going on without http:\/\/127\.0\.0\.1:9/);
  assert.match(stderr, /going on without file:\/\/\/media\/not-plugged-in/);
  assert.equal(await nix('2.8').complaints(store), undefined);
});
