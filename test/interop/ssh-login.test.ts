// Logins: shells, hosts that are not what they should be, connections that are shared.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure } from '../lab/closures.ts';
import { copies, fails, schemes, start } from './ssh-lab.ts';

test('login shells: fish and csh work, one that prints is named by what it printed', async () => {
  const basic = await closure('basic');
  const hosts = {
    fish: { shell: '/usr/bin/fish' },
    csh: { shell: '/usr/bin/tcsh' },
    loud: { bashrc: 'echo Welcome to loud' },
  };
  await using lab = await start(hosts, basic);
  const { hello } = basic.named as Record<string, string>;
  for (const scheme of schemes) {
    for (const shell of ['fish', 'csh']) {
      await copies(lab, ['--to', `${scheme}://${shell}`, hello!]);
      await copies(lab, [
        '--to',
        `${scheme}://${shell}?remote-store=local%3Froot%3D/root/my%20store%26x%3D1`,
        hello!,
      ]).catch((e: Error) => {
        // 2.8 does not know every parameter, but it has to see this one as one word
        assert.match(e.message, /my store/);
      });
    }
    const error = await fails(lab, ['--to', `${scheme}://loud`, hello!]);
    assert.match(error, /the login shell of loud printed "Welcome to loud" before the protocol/);
  }
});

test('hosts without Nix, that are not there, that changed, and options for hosts', async () => {
  const basic = await closure('basic');
  await using lab = await start({ bare: { nix: 'none' }, pi: {} }, basic);
  const { hello } = basic.named as Record<string, string>;
  const known = join(lab.root('work'), 'etc/ssh/ssh_known_hosts');
  for (const scheme of schemes) {
    const program = scheme === 'ssh' ? 'nix-store' : 'nix-daemon';
    assert.match(await fails(lab, ['--to', `${scheme}://bare`, hello!]), new RegExp(`there is no ${program} on bare`));
    assert.match(
      await fails(lab, ['--to', `${scheme}://nowhere.invalid`, hello!]),
      /ssh connection to nowhere.invalid failed: .*[Rr]esolve/,
    );
    assert.match(await fails(lab, ['--to', `${scheme}://-oProxyCommand=x`, hello!]), /begins with '-'/);
    assert.match(
      await fails(lab, ['--to', `${scheme}://ghost@pi`, hello!]),
      /cannot log in to pi: .*Permission denied/,
    );
    assert.match(
      await fails(lab, ['--to', `${scheme}://nobody@pi`, hello!]),
      /nobody@pi may not run commands: it says "This account/,
    );
    assert.match(
      await fails(lab, ['--to', `${scheme}://nobody@pi`, hello!]),
      /nobody@pi may not run commands: it says "This account/,
    );
    await copies(lab, ['--to', `${scheme}://pi?remote-program=env%20A=b%20/usr/bin/${program}&compress=true`, hello!]);
    assert.match(
      await fails(lab, ['--to', `${scheme}://pi?remote-program=/nowhere/${program}`, hello!]),
      /there is no \/nowhere/,
    );
  }
  const line = readFileSync(join(lab.root('pi'), 'etc/ssh/lab_host_key.pub'), 'utf8');
  const pinned = `ssh://pi?base64-ssh-public-host-key=${encodeURIComponent(Buffer.from(line).toString('base64'))}`;
  writeFileSync(known, '');
  assert.match(
    await fails(lab, ['--to', 'ssh://root@pi', hello!], { NIX_SSHOPTS: '-oBatchMode=yes' }),
    /host key of pi is not known/,
  );
  await copies(lab, ['--to', pinned, hello!]);
  const other = readFileSync(join(lab.root('bare'), 'etc/ssh/lab_host_key.pub'), 'utf8')
    .split(' ')
    .slice(0, 2)
    .join(' ');
  writeFileSync(known, `pi ${other}\n`);
  assert.match(
    await fails(lab, ['--to', 'ssh://root@pi', hello!], { NIX_SSHOPTS: '-v' }),
    /the host key of pi has changed/,
  );
});

test('a shared connection is private, and lives a minute at most', async () => {
  const basic = await closure('basic');
  await using lab = await start({ pi: {} }, basic);
  const { hello } = basic.named as Record<string, string>;
  await copies(lab, ['--to', 'ssh://pi', hello!]);
  const { stdout } = await lab.exec('work', [
    'sh',
    '-c',
    'stat -c "%a %F" /root/.local/state/narrow/ssh /root/.local/state/narrow/ssh/*',
  ]);
  assert.equal(stdout, '700 directory\n600 socket\n');
  const masters = await lab.exec('work', ['pgrep', '-af', 'narrow/ssh.*mux']);
  assert.equal(masters.stdout.trim().split('\n').length, 1);
  // the user's own way to share is left alone
  writeFileSync(
    join(lab.root('work'), 'root/.ssh/config'),
    'Host pi\n  ControlMaster auto\n  ControlPath /root/.ssh/own-%C\n  ControlPersist 5\n',
  );
  await copies(lab, ['--to', 'ssh://root@pi', hello!]);
  const own = await lab.exec('work', [
    'sh',
    '-c',
    'ls /root/.ssh/ | grep -c own-; ls /root/.local/state/narrow/ssh | wc -l',
  ]);
  assert.equal(own.stdout, '1\n1\n');
});
