// Copies between two narrows over a real sshd: every Nix at the far side, and every way to have a narrow there or none.
import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure, keyPair } from '../lab/closures.ts';
import { expectNone, expectWhole, install, named, startPair } from './delta-lab.ts';
import { copies, fails, labels, narrow } from './ssh-lab.ts';

for (const label of labels) {
  test(`Nix ${label}: deltas there and back, and roots that keep what came`, async () => {
    const [basic, rebuilt, updated] = await Promise.all([closure('basic'), closure('rebuilt'), closure('updated')]);
    await using lab = await startPair(basic, rebuilt, { nix: label });
    await install(lab, 'pi1');
    const roots = ['--out-link', 'kept', '--profile', '/nix/var/nix/profiles/system'];
    const before = await lab.bytes('pi1');
    const said = await copies(lab, ['--to', 'ssh://pi1', ...roots, rebuilt.top]);
    assert.match(said, /narrow \S+ there, which rebuilds from \d+ paths/);
    const moved = (await lab.bytes('pi1')).in - before.in;
    // login and all
    assert.ok(moved < 25_000, `${moved} bytes`);
    assert.equal(readlinkSync(join(lab.root('pi1'), 'root/kept')), rebuilt.top);
    assert.equal(readlinkSync(join(lab.root('pi1'), 'nix/var/nix/profiles/system')), 'system-1-link');
    assert.match(said, /profiles\/system leads to .*\nto run it: .*\/bin\/switch-to-configuration switch\n$/);
    await lab.exec('pi1', ['nix-store', '--gc']);
    await expectWhole(lab, 'pi1', rebuilt);
    await lab.seed('pi1', updated.root, [updated.top]);
    assert.match(await copies(lab, ['--from', 'ssh://pi1', updated.top]), /narrow \S+ there, which rebuilds from/);
    await expectWhole(lab, 'work', updated);
  });
}

test('a read-only store behind a daemon that wants signatures, for an ordinary user', async () => {
  const [basic, updated, signed, { publicKey }] = await Promise.all([
    closure('basic'),
    closure('updated'),
    closure('signed'),
    keyPair('lab-1'),
  ]);
  const users = [{ name: 'bob' }];
  const pi1 = { nix: 'current', daemon: true, readOnlyStore: true, trustedKeys: [publicKey], users } as const;
  await using lab = await startPair(signed, updated, pi1);
  const [libc, hello] = [signed.named['libc']!, signed.named['hello']!];
  const to = `ssh://bob@pi1?${named}`;
  assert.match(await fails(lab, ['--to', to, updated.top]), /lacks a signature|no signature/);
  await expectNone(lab, 'pi1', basic, updated);
  await lab.exec('pi1', ['nix-store', '--delete', '--ignore-liveness', signed.top]);
  assert.match(await copies(lab, ['--to', to, '--out-link', 'kept', signed.top]), /rebuilds from/);
  assert.equal(readlinkSync(join(lab.root('pi1'), 'home/bob/kept')), signed.top);
  await expectWhole(lab, 'pi1', signed);
  for (const path of [libc, hello]) {
    const { stdout } = await narrow(lab, ['info', '--json', '--store', to, path]);
    assert.match(stdout, /lab-1:/);
  }
});

test('without a narrow there the copy goes on with nix-store, and the plan says so', async () => {
  const [basic, rebuilt] = await Promise.all([closure('basic'), closure('rebuilt')]);
  await using lab = await startPair(basic, rebuilt);
  const said = await copies(lab, ['--to', 'ssh://pi1', rebuilt.top]);
  assert.match(said, /whole paths, since pi1 has no narrow/);
  await expectWhole(lab, 'pi1', rebuilt);
  const back = await copies(lab, ['--from', 'ssh://pi1', '--to', 'local?root=/root/back', rebuilt.top]);
  assert.match(back, /whole paths, since pi1 has no narrow/);
});
