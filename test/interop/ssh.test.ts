// Stores of other machines over a real sshd with its default limits: every Nix, both protocols, and what goes wrong.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { command } from '../e2e/narrow.ts';
import { closure, keyPair } from '../lab/closures.ts';
import type { Closure } from '../lab/closures.ts';
import { generate } from '../lab/generate.ts';
import { startHosts } from '../lab/hosts.ts';
import type { HostOptions, HostRelay, Hosts } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';
import type { RunResult } from '../lab/run.ts';

const labels = ['2.8', '2.26', 'current'] as const;
const schemes = ['ssh', 'ssh-ng'] as const;

/** A host `work` with a closure, and others. */
async function start(hosts: Readonly<Record<string, HostOptions>>, what: Closure): Promise<Hosts> {
  const lab = await startHosts({ work: {}, ...hosts });
  await lab.seed('work', what.root, [what.top]);
  return lab;
}

function narrow(lab: Hosts, args: readonly string[], env: Record<string, string> = {}): Promise<RunResult> {
  return lab.exec('work', [command, ...args], { mayFail: true, timeout: 60_000, env });
}

async function copies(lab: Hosts, args: readonly string[], env?: Record<string, string>): Promise<string> {
  const result = await narrow(lab, ['copy', '--no-check-sigs', ...args], env);
  assert.equal(result.status, 0, result.stderr);
  return result.stderr;
}

async function fails(lab: Hosts, args: readonly string[], env?: Record<string, string>): Promise<string> {
  const result = await narrow(lab, ['copy', '--no-check-sigs', ...args], env);
  assert.equal(result.status, 1, result.stderr);
  const errors = result.stderr.split('\n').filter((line) => line.startsWith('narrow: '));
  assert.equal(errors.length, 1, result.stderr);
  return result.stderr;
}

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

for (const scheme of schemes) {
  test(`${scheme}: an ordinary user brings what proves itself, and is told which path is refused`, async () => {
    const [basic, { publicKey }] = [await closure('basic'), await keyPair('lab-1')];
    const pi = {
      nix: 'current',
      daemon: true,
      readOnlyStore: true,
      trustedKeys: [publicKey],
      users: [{ name: 'bob' }],
    } as const;
    await using lab = await start({ pi }, basic);
    await copies(lab, ['--from', `local?root=${basic.root}`, '--to', `${scheme}://bob@pi`, basic.drv]);
    const error = await fails(lab, ['--to', `${scheme}://bob@pi`, basic.top]);
    assert.match(error, /[0-9a-z]{32}-\S+.*lacks a signature/);
    const valid = await nix('2.8').store(lab.root('pi'), '-q', '--references', basic.drv);
    assert.ok(valid.length > 0);
    assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
  });
}

/** A line to `pi` over which `login` has worked: now and then the lab's sshd closes a new one after the banners. */
async function lineWithLogin(lab: Hosts, delay: number, login: (port: number) => Promise<unknown>): Promise<HostRelay> {
  for (let tries = 1; ; tries++) {
    await using stack = new AsyncDisposableStack();
    const relay = stack.use(await lab.relay('work', { to: 'pi:22', delay }));
    try {
      await login(relay.port);
      stack.move();
      return relay;
    } catch (error) {
      if (tries === 3 || !/ssh connection to .* failed: (Connection|kex_exchange)/.test(String(error))) throw error;
    }
  }
}

/** Round trips that the line was waited for since the last question. */
async function trips(relay: HostRelay, before: number): Promise<number> {
  return ((await relay.stats()).turns - before) / 2;
}

for (const scheme of schemes) {
  test(`${scheme}: after the login at most three turns when all is there, and five more never wait for a path`, async () => {
    const basic = await closure('basic');
    await using lab = await start({ pi: { nix: 'current' } }, basic);
    const env = { NIX_SSHOPTS: '-oHostKeyAlias=pi' };
    const url = (port: number): string => `${scheme}://127.0.0.1:${port}`;
    const login = (port: number): Promise<string> => copies(lab, ['--to', url(port), basic.named['libc']!], env);
    await using relay = await lineWithLogin(lab, 100, login);
    const there = url(relay.port);
    const { hello } = basic.named as Record<string, string>;
    let before = (await relay.stats()).turns;
    await copies(lab, ['--to', there, basic.named['libc']!], env);
    // two to open a session of the connection that is there, one to close it
    assert.ok((await trips(relay, before)) <= 3 + 3, `${await trips(relay, before)} when all is there`);
    before = (await relay.stats()).turns;
    const { stderr } = await narrow(lab, ['copy', '--no-check-sigs', '--to', there, hello!], env);
    assert.match(stderr, /copied/);
    assert.ok((await trips(relay, before)) <= 3 + 5, `${await trips(relay, before)} for a few paths`);
    assert.equal((await relay.stats()).connections, 1);
  });
}

test('ssh: two thousand paths do not cost two thousand round trips', async () => {
  await using lab = await startHosts({ work: {}, pi: {} });
  const paths = await generate(lab.root('work'), { paths: 2000, bytes: 100 });
  const env = { NIX_SSHOPTS: '-oHostKeyAlias=pi' };
  const url = (port: number): string => `ssh://127.0.0.1:${port}`;
  const login = (port: number): Promise<string> => copies(lab, ['--no-recursive', '--to', url(port), paths[0]!], env);
  await using relay = await lineWithLogin(lab, 50, login);
  const there = url(relay.port);
  const begin = performance.now();
  const input = paths.join('\n');
  const argv = [command, 'copy', '--no-check-sigs', '--no-recursive', '--to', there, '--stdin'];
  await lab.exec('work', argv, { env, input });
  const seconds = (performance.now() - begin) / 1000;
  assert.ok(seconds < 2000 * 0.1 * 0.5, `${seconds} s`);
  assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
});

test('login shells: fish works, one that prints is named by what it printed', async () => {
  const basic = await closure('basic');
  const hosts = { fish: { shell: '/usr/bin/fish' }, loud: { bashrc: 'echo Welcome to loud' } };
  await using lab = await start(hosts, basic);
  const { hello } = basic.named as Record<string, string>;
  for (const scheme of schemes) {
    await copies(lab, ['--to', `${scheme}://fish`, hello!]);
    await copies(lab, ['--to', `${scheme}://fish?remote-store=local%3Froot%3D/root/my%20store%26x%3D1`, hello!]).catch(
      (e: Error) => {
        // 2.8 does not know every parameter, but it has to see this one as one word
        assert.match(e.message, /my store/);
      },
    );
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

for (const scheme of schemes) {
  test(`${scheme}: a connection that is cut anywhere gives one error, and the next run goes on`, async () => {
    const basic = await closure('basic');
    await using lab = await start({ pi: { nix: 'current' } }, basic);
    for (const bytes of [10, 3000, 6000, 20_000, 300_000, 2_000_000, 4_000_000]) {
      await using relay = await lab.relay('work', { to: 'pi:22', cutAfter: { toServer: bytes } });
      const env = { NIX_SSHOPTS: '-oHostKeyAlias=pi -oControlMaster=no' };
      const error = await fails(lab, ['--to', `${scheme}://127.0.0.1:${relay.port}`, basic.top], env);
      assert.match(error, /ssh connection to 127.0.0.1 failed/, `cut after ${bytes}`);
    }
    for (const bytes of [3000, 200_000, 3_000_000]) {
      await using relay = await lab.relay('work', { to: 'pi:22', cutAfter: { toClient: bytes } });
      const env = { NIX_SSHOPTS: '-oHostKeyAlias=pi -oControlMaster=no' };
      await copies(lab, ['--to', `${scheme}://pi`, basic.top]);
      const from = ['--from', `${scheme}://127.0.0.1:${relay.port}`, '--to', 'local?root=/root/back', basic.top];
      assert.match(await fails(lab, from, env), /ssh connection to 127.0.0.1 failed/, `cut after ${bytes}`);
    }
    assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
    assert.equal(await nix('2.8').complaints(join(lab.root('work'), 'root/back')), undefined);
    await copies(lab, ['--from', `${scheme}://pi`, '--to', 'local?root=/root/back', basic.top]);
  });

  test(`${scheme}: a disk that fills up there names the path, and nothing half done stays`, async () => {
    const basic = await closure('basic');
    await using lab = await start({ pi: { nix: 'current' } }, basic);
    await lab.exec('pi', ['sh', '-ec', 'mkdir -p /root/small; mount -t tmpfs -o size=3m small /root/small']);
    const to = `${scheme}://pi?remote-store=${encodeURIComponent('local?root=/root/small')}`;
    const error = await fails(lab, ['--to', to, basic.top]);
    assert.match(error, /No space left on device|disk is full/i);
  });
}

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
