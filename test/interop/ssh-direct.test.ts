// Copies between two other machines that reach each other: started on one of them, whatever Nix is there.
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { command } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import { nix } from '../lab/nix.ts';
import { copies, narrow } from './ssh-lab.ts';
import { between, bytesOf, install, loseKey, ownPrograms, start, there } from './two-machines.ts';

for (const [one, other, scheme, program] of [
  ['2.8', '2.8', 'ssh', 'nix-copy-closure'],
  ['2.26', 'current', 'ssh', 'nix-copy-closure'],
  ['current', '2.8', 'ssh-ng', 'nix'],
  ['2.8', '2.26', 'ssh-ng', 'nix'],
] as const) {
  test(`Nix ${one} to ${other}, ${scheme}: sent by the source's machine, and what is there already does not travel`, async () => {
    const basic = await closure('basic');
    await using lab = await start(basic, { pi1: { nix: one }, pi2: { nix: other } });
    await lab.seed('pi2', basic.root, [basic.named['libc']!]);
    const through = await bytesOf(lab, async () => {
      const said = await copies(lab, [...between(scheme), basic.top]);
      assert.match(
        said,
        new RegExp(`directly: ${scheme}://pi1 sends by ${program}, since pi1 can log in to root@pi2\n`),
      );
      assert.match(said, /copied 28 paths .*: 3\.7 MB directly from ssh/);
    });
    assert.ok(through < 200_000, `${through} bytes passed through here`);
    await there(lab, basic);
    assert.match(await copies(lab, [...between(scheme), basic.top]), /nothing to copy/);
  });
}

for (const [one, other, scheme] of [
  ['2.26', '2.8', 'ssh'],
  ['2.8', 'current', 'ssh-ng'],
] as const) {
  test(`Nix ${one} to ${other}, ${scheme}: fetched by the destination's machine where only that one reaches the other`, async () => {
    const basic = await closure('basic');
    await using lab = await start(basic, { pi1: { nix: one }, pi2: { nix: other } });
    loseKey(lab, 'pi1');
    const result = await narrow(lab, ['copy', '--no-check-sigs', '--json', ...between(scheme), basic.top]);
    assert.equal(result.status, 0, result.stderr);
    const { plan, copied, directBytes, bytesRead } = JSON.parse(result.stdout) as {
      plan: { route: object; narSize: number };
      copied: unknown[];
      directBytes: number;
      bytesRead: number;
    };
    assert.deepEqual(plan.route, {
      kind: 'direct',
      why: 'pi2 can log in to root@pi1',
      startedOn: 'pi2',
      side: 'destination',
      program: scheme === 'ssh' ? 'nix-copy-closure' : 'nix',
      forwardAgent: false,
    });
    assert.deepEqual([copied.length, directBytes, bytesRead], [basic.paths.length, plan.narSize, 0]);
    await there(lab, basic);
  });
}

test('a direct copy that fails is said aloud, and the rest goes through here', async () => {
  const basic = await closure('basic');
  await using lab = await start(basic, { pi1: { bashrc: ownPrograms } });
  const { libc } = basic.named as Record<string, string>;
  const real = '/usr/bin/nix-copy-closure';
  install(
    lab,
    'pi1',
    'nix-copy-closure',
    `[ "$1" = --version ] && exec ${real} --version\n${real} "$1" "$2" ${libc}\necho "error: the dog ate it" >&2\nexit 7`,
  );
  const said = await copies(lab, [...between('ssh'), basic.top]);
  assert.match(
    said,
    /warning: the direct copy failed: nix-copy-closure on pi1 ended with status 7, error: the dog ate it; 28 of 29 paths will go/,
  );
  assert.match(said, /copied 29 paths in .*: 2\.1 MB directly from ssh:\/\/pi1, 3\.7 MB through here/);
  await there(lab, basic);
});

test('narrow does it where it is there; one that lies is found out', async () => {
  const basic = await closure('basic');
  await using lab = await start(basic, { pi1: { bashrc: ownPrograms } });
  mkdirSync(join(lab.root('pi1'), 'root/bin'));
  symlinkSync(command, join(lab.root('pi1'), 'root/bin/narrow'));
  const said = await copies(lab, [...between('ssh-ng'), basic.named['libc']!]);
  assert.match(said, /directly: ssh-ng:\/\/pi1 sends by narrow, since/);
  assert.match(said, /^pi1: copied 1 path/m);
  rmSync(join(lab.root('pi1'), 'root/bin/narrow'));
  install(lab, 'pi1', 'narrow', 'echo 9.9');
  assert.match(
    await copies(lab, [...between('ssh'), basic.top]),
    /the direct copy failed: 28 of 28 paths did not arrive; all will go through here/,
  );
  await there(lab, basic);
});

test('ports, users, stores and programs of URLs hold there, too, whatever the login shell', async () => {
  const basic = await closure('basic');
  const fish = { shell: '/usr/bin/fish' };
  await using lab = await start(basic, { pi1: fish, pi2: { ...fish, sshd: 'ListenAddress 0.0.0.0:2222' } });
  const key = readFileSync(join(lab.root('pi2'), 'etc/ssh/lab_host_key.pub'), 'utf8')
    .split(' ')
    .slice(0, 2)
    .join(' ');
  for (const host of ['work', 'pi1'])
    appendFileSync(join(lab.root(host), 'etc/ssh/ssh_known_hosts'), `[pi2]:2222 ${key}\n`);
  for (const scheme of ['ssh', 'ssh-ng']) {
    const program = `/usr/bin/nix-${scheme === 'ssh' ? 'store' : 'daemon'}`;
    const store = encodeURIComponent(`local?root=/root/my ${scheme}`);
    const to = `${scheme}://root@pi2:2222?remote-program=${program}&remote-store=${store}`;
    const said = await copies(lab, ['--from', `${scheme}://pi1`, '--to', to, basic.named['hello']!]);
    assert.match(said, /directly: .* sends by nix, since pi1 can log in to root@pi2\n/);
    assert.doesNotMatch(said, /the direct copy failed/);
    assert.equal(await nix('2.8').complaints(join(lab.root('pi2'), `root/my ${scheme}`)), undefined);
  }
  const back = `ssh://pi2:2222?remote-store=${encodeURIComponent('local?root=/root/my ssh')}`;
  const other = `ssh://pi1?remote-store=${encodeURIComponent('/root/other')}`;
  const said = await copies(lab, ['--from', back, '--to', other, basic.named['hello']!]);
  assert.match(said, /directly: /);
  assert.doesNotMatch(said, /the direct copy failed/);
});

test('derivations and outputs side by side', async () => {
  const basic = await closure('basic');
  await using lab = await start(basic, { pi1: { nix: '2.26' } });
  await copies(lab, ['--from', `local?root=${basic.root}`, '--to', 'ssh://pi1', basic.drv]);
  const said = await copies(lab, [...between('ssh-ng'), basic.top, basic.drv]);
  assert.match(said, /directly: ssh-ng:\/\/pi1 sends by nix,/);
  assert.doesNotMatch(said, /the direct copy failed/);
  await there(lab, basic);
  const drvs = await nix('2.8').store(lab.root('pi2'), '-qR', basic.drv);
  assert.equal(drvs.split('\n').length, basic.drvs.length);
});
