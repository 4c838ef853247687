// Stores of other machines over a real sshd with its default limits: every Nix, both protocols.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { closure, keyPair } from '../lab/closures.ts';
import { nix } from '../lab/nix.ts';
import { copies, fails, labels, narrow, schemes, start } from './ssh-lab.ts';

for (const label of labels) {
  for (const scheme of schemes) {
    test(`Nix ${label}, ${scheme}: a closure with its derivations goes there and back, and Nix finds nothing to complain about`, async () => {
      const basic = await closure('basic');
      await using lab = await start({ pi: { nix: label } }, basic);
      const there = `${scheme}://pi`;
      await copies(lab, ['--to', there, basic.top]);
      await copies(lab, ['--from', `local?root=${basic.root}`, '--to', there, basic.drv]);
      assert.match(await copies(lab, ['--to', there, basic.top]), /nothing to copy/);
      assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
      assert.equal((await nix('2.8').store(lab.root('pi'), '-qR', basic.top)).split('\n').length, basic.paths.length);
      await copies(lab, ['--from', there, '--to', 'local?root=/root/back', basic.top]);
      assert.equal(await nix('2.8').complaints(join(lab.root('work'), 'root/back')), undefined);
    });
  }
}

for (const [scheme, label] of [
  ['ssh', '2.8'],
  ['ssh', 'current'],
  ['ssh-ng', '2.8'],
  ['ssh-ng', '2.26'],
  ['ssh-ng', 'current'],
] as const) {
  test(`${scheme}, Nix ${label}: an ordinary user brings what proves itself; what is refused is known before`, async () => {
    const [basic, { publicKey }] = [await closure('basic'), await keyPair('lab-1')];
    const pi = {
      nix: label,
      daemon: true,
      readOnlyStore: true,
      trustedKeys: [publicKey],
      users: [{ name: 'bob' }],
    } as const;
    await using lab = await start({ pi }, basic);
    await copies(lab, ['--from', `local?root=${basic.root}`, '--to', `${scheme}://bob@pi`, basic.drv]);
    const error = await fails(lab, ['--to', `${scheme}://bob@pi`, basic.top]);
    assert.match(
      error,
      /cannot take the copy: [0-9a-z]{32}-\S+ and \d+ others lack a signature by a key that is trusted/,
    );
    const dry = await narrow(lab, ['copy', '--no-check-sigs', '--dry-run', '--to', `${scheme}://bob@pi`, basic.top]);
    assert.equal(dry.status, 3);
    assert.match(dry.stderr, /error: .* lack a signature[^\n]*\n +hint: sign/);
    const told = await narrow(lab, ['doctor', '--json', `${scheme}://bob@pi`]);
    const { stores } = JSON.parse(told.stdout) as { stores: readonly Record<string, unknown>[] };
    const { trust, requireSigs, trustedKeys, clockAhead, free } = stores[0]!;
    assert.deepEqual([trust, requireSigs, trustedKeys], ['untrusted', true, ['lab-1']]);
    assert.ok(Math.abs(clockAhead as number) <= 5 && (free as number) > 0);
    const valid = await nix('2.8').store(lab.root('pi'), '-q', '--references', basic.drv);
    assert.ok(valid.length > 0);
    assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
  });
}

test('ssh: what Nix notes of fixed outputs where ca-derivations is enabled says nothing that would have to go along', async () => {
  const basic = await closure('basic');
  await using lab = await start({ pi: {} }, basic);
  await lab.seed('work', basic.root, basic.drvs);
  const noted = 'select 1 from Realisations join ValidPaths v on v.id = outputPath where v.ca is not null';
  const db = new DatabaseSync(join(lab.root('work'), 'nix/var/nix/db/db.sqlite'), { readOnly: true });
  assert.ok(db.prepare(noted).all().length > 0);
  db.close();
  assert.doesNotMatch(await copies(lab, ['--to', 'ssh://pi', basic.top]), /realisation/);
  assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
});

test('ssh: outputs of content-addressed derivations are refused before anything goes', async () => {
  const ca = await closure('ca');
  await using lab = await start({ pi: {} }, ca);
  const args = ['--from', `local?root=${ca.root}`, '--to', 'ssh://pi', ca.top];
  const dry = await narrow(lab, ['copy', '--dry-run', ...args]);
  assert.match(
    dry.stderr,
    / is the output of a content-addressed derivation, and ssh:\/\/pi cannot be told its realisations/,
  );
  assert.match(await fails(lab, args), /would refuse \d+ of \d+ paths[^]*hint: use ssh-ng:\/\//);
  assert.equal((await nix('2.8').nix('path-info', '--all', '--store', lab.root('pi'))).length, 0);
});
