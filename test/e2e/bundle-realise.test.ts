// Bundles on machines without a network, through the daemon of an old Nix: what they bring is registered, built and made a
// generation.

import assert from 'node:assert/strict';
import { chmodSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure, copyOfStore, keyPair } from '../lab/closures.ts';
import { startHosts } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { create, expectWhole, local } from './bundles.ts';
import { command, fails, narrow } from './narrow.ts';

const builds = 'sandbox = false\nbuild-users-group =\n';
const system = '/nix/var/nix/profiles/system';

test('the daemon of Nix 2.8 takes a bundle from a user whom it does not trust', async () => {
  const [signed, key] = [await closure('signed'), await keyPair('lab-1')];
  const dir = tempDir('daemon');
  chmodSync(dir, 0o755);
  const file = join(dir, 'a.bundle');
  await create(signed.root, '-o', file, signed.top);
  await using lab = await startHosts({
    pi: { nix: '2.8', daemon: true, readOnlyStore: true, trustedKeys: [key.publicKey], users: [{ name: 'bob' }] },
    other: { nix: '2.8', daemon: true, readOnlyStore: true, trustedKeys: [], users: [{ name: 'bob' }] },
  });
  const apply = [command, 'bundle', 'apply', file];
  const before = await lab.exec('pi', [command, 'bundle', 'verify', '--against', 'daemon', file], { user: 'bob' });
  assert.match(before.stderr, /will apply completely to daemon/);
  const { stderr } = await lab.exec('pi', [...apply, '--out-link', '/home/bob/result'], { user: 'bob' });
  assert.match(stderr, /added \d+ paths/);
  await expectWhole(lab.root('pi'), signed);
  await lab.exec('pi', ['nix-store', '--gc']);
  await expectWhole(lab.root('pi'), signed);
  const refused = await lab.exec('other', apply, { user: 'bob', mayFail: true });
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /lacks a valid signature/);
  assert.equal((await nix('2.8').nix('path-info', '--all', '--store', lab.root('other'))).length, 0);
});

test('with all that it is built from, a system is built there, and is the next generation', async () => {
  const [basic, dir] = [await closure('basic'), tempDir('build')];
  const work = await copyOfStore(basic.root);
  await nix('2.8').store(work, '--delete', '--ignore-liveness', basic.top);
  const [drvs, all] = [join(dir, 'drvs.bundle'), join(dir, 'all.bundle')];
  await create(work, '-o', drvs, '--derivation', basic.drv);
  await create(work, '-o', all, '--build-closure', basic.drv);
  await using lab = await startHosts({ pi: { nix: '2.8', daemon: true, readOnlyStore: true, conf: builds } });
  const { stdout } = await lab.exec('pi', [command, 'bundle', 'apply', '--json', drvs]);
  assert.equal((JSON.parse(stdout) as { realised: unknown[] }).realised.length, 0);
  const apply = [command, 'bundle', 'apply', '--no-check-sigs', '--realise', '--profile', system, all];
  const applied = await lab.exec('pi', apply);
  assert.equal(applied.stdout, `${basic.top}\n`);
  const [, run] = /to run it: (.*)\n/.exec(applied.stderr) ?? [];
  assert.equal(run, `${basic.top}/bin/switch-to-configuration switch`);
  await lab.exec('pi', run.split(' '));
  assert.equal((await lab.exec('pi', ['cat', '/run/lab/log'])).stdout, `switch ${basic.top}\n`);
  assert.equal(readlinkSync(join(lab.root('pi'), `${system}-1-link`)), basic.top);
  await lab.exec('pi', ['nix-store', '--gc']);
  await expectWhole(lab.root('pi'), basic);
  assert.match(readFileSync(join(lab.root('pi'), basic.top, 'nixos-version'), 'utf8'), /lab/);
});

test('what cannot be built or linked is told before anything is written', async () => {
  const [basic, dir] = [await closure('basic'), tempDir('told')];
  const [outputs, drvs, two] = ['outputs', 'drvs', 'two'].map((name) => join(dir, name)) as [string, string, string];
  await create(basic.root, '-o', outputs, basic.named['hello']!);
  await create(basic.root, '-o', drvs, '--derivation', basic.named['hello']!);
  await create(basic.root, '-o', two, '--derivation', basic.named['hello']!, basic.named['odd']!);
  const to = local(join(dir, 'island'));
  const apply = ['bundle', 'apply', '--no-check-sigs', '--to', to, '--realise'];
  assert.match(await fails(2, [...apply, outputs]), /brings? no derivation|takes a bundle of derivations/);
  assert.match(await fails(1, [...apply, drvs]), /cannot build/);
  await narrow(['bundle', 'apply', '--no-check-sigs', '--to', to, drvs]);
  assert.match(await fails(2, ['bundle', 'apply', '--to', to, '--profile', join(dir, 'p'), two]), /one root/);
  const both = ['bundle', 'create', '--store', local(basic.root), '-o', two, '--outputs', '--derivation', basic.top];
  assert.match(await fails(2, both), /'--outputs' cannot be used with option '--derivation'/);
});
