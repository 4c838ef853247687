// Logins to a host that has a narrow: shells, and a key for nothing else.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure } from '../lab/closures.ts';
import { expectNone, expectWhole, install, named, startPair } from './delta-lab.ts';
import { copies, fails } from './ssh-lab.ts';

test('login shells: fish and csh work, one that prints is named by what it printed', async () => {
  const [basic, rebuilt] = await Promise.all([closure('basic'), closure('rebuilt')]);
  const users = [
    { name: 'bob', trusted: true, shell: '/usr/bin/fish' },
    { name: 'eve', trusted: true, shell: '/usr/bin/tcsh' },
  ];
  const pi1 = { nix: '2.26', daemon: true, readOnlyStore: true, users } as const;
  await using lab = await startPair(basic, rebuilt, pi1, { loud: { bashrc: 'echo Welcome to loud' } });
  await install(lab, 'pi1');
  for (const [user, path] of [
    ['bob', rebuilt.named['hello']!],
    ['eve', rebuilt.top],
  ] as const) {
    assert.match(await copies(lab, ['--to', `ssh://${user}@pi1`, path]), /rebuilds from/);
    assert.match(await copies(lab, ['--to', `ssh://${user}@pi1?narrow=nowhere`, path]), /nothing to copy/);
  }
  await expectWhole(lab, 'pi1', rebuilt);
  const error = await fails(lab, ['--to', `ssh://loud?${named}`, rebuilt.top]);
  assert.match(error, /the login shell of loud printed "Welcome to loud" before the protocol/);
});

test('a key that is good for `narrow stdio --read-only` and nothing else', async () => {
  const [basic, rebuilt] = await Promise.all([closure('basic'), closure('rebuilt')]);
  await using lab = await startPair(basic, rebuilt);
  await install(lab, 'pi1');
  const keys = join(lab.root('pi1'), 'etc/ssh/lab_authorized_keys');
  writeFileSync(keys, `command="narrow stdio --read-only",restrict ${readFileSync(keys, 'utf8')}`);
  const said = await fails(lab, ['--to', 'ssh://pi1', rebuilt.top]);
  assert.match(said, /is offered for reading only/);
  await expectNone(lab, 'pi1', basic, rebuilt);
  const from = ['--from', 'ssh://pi1', '--to', 'local?root=/root/back', basic.top];
  assert.match(await copies(lab, from), /narrow \S+ there/);
});
