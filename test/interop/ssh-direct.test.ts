// Copies between two other machines: started on one of them where they reach each other, through here where they do not.
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { command } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import type { Closure } from '../lab/closures.ts';
import { startHosts } from '../lab/hosts.ts';
import type { HostOptions, Hosts } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';
import { copies, narrow } from './ssh-lab.ts';

/** `pi1` has a closure, `pi2` has not, and `work` wants it there. */
async function start(
  what: Closure,
  hosts: Readonly<Record<string, HostOptions>>,
  paths: readonly string[] = [what.top],
): Promise<Hosts> {
  const lab = await startHosts({ work: {}, pi1: {}, pi2: {}, ...hosts });
  await lab.seed('pi1', what.root, paths);
  return lab;
}

const between = (scheme: string): string[] => ['--from', `${scheme}://pi1`, '--to', `${scheme}://pi2`];

/** Bytes that `work` took in while `what` ran. */
async function bytesOf(lab: Hosts, what: () => Promise<unknown>): Promise<number> {
  const before = await lab.bytes('work');
  await what();
  return (await lab.bytes('work')).in - before.in;
}

async function there(lab: Hosts, what: Closure): Promise<void> {
  assert.equal(await nix('2.8').complaints(lab.root('pi2')), undefined);
  assert.equal((await nix('2.8').store(lab.root('pi2'), '-qR', what.top)).split('\n').length, what.paths.length);
}

/** Without this key root of the host cannot log in anywhere. */
function loseKey(lab: Hosts, host: string): void {
  rmSync(join(lab.root(host), 'root/.ssh/id_ed25519'));
}

/** Neither host reaches the other, and both are told so at once. */
async function part(lab: Hosts, one: string, other: string): Promise<void> {
  await lab.exec(one, ['ip', 'route', 'add', 'unreachable', lab.address(other)]);
  await lab.exec(other, ['ip', 'route', 'add', 'unreachable', lab.address(one)]);
}

/** A program of the host's own, before all others in commands over ssh. */
function install(lab: Hosts, host: string, name: string, script: string): void {
  mkdirSync(join(lab.root(host), 'root/bin'), { recursive: true });
  writeFileSync(join(lab.root(host), 'root/bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

const ownPrograms = 'PATH=/root/bin:$PATH';

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

test('machines that have no keys for each other, or no way: through here, and the plan says why', async () => {
  const basic = await closure('basic');
  const { hello, coreutils } = basic.named as Record<string, string>;
  await using lab = await start(basic, {});
  for (const pi of ['pi1', 'pi2']) loseKey(lab, pi);
  const said = await copies(lab, [...between('ssh'), hello!]);
  assert.match(said, /through here: pi1 cannot log in to pi2 \(.*Permission denied.*\), and pi2 cannot log in to pi1/);
  assert.doesNotMatch(said, /hint/);
  await part(lab, 'pi1', 'pi2');
  const dry = await narrow(lab, ['copy', '--dry-run', '--json', ...between('ssh-ng'), '--no-check-sigs', basic.top]);
  const { route } = (JSON.parse(dry.stdout) as { plan: { route: { kind: string; why: string } } }).plan;
  assert.equal(route.kind, 'relayed');
  assert.match(route.why, /^pi1 cannot reach pi2 \(.*No route to host\), and pi2 cannot reach pi1 \(/);
  assert.match(await copies(lab, [...between('ssh-ng'), coreutils ?? basic.top]), /copied/);
  await copies(lab, [...between('ssh'), basic.top]);
  await there(lab, basic);
});

test('--relay, and paths without their references, go through here', async () => {
  const basic = await closure('basic');
  await using lab = await start(basic, {});
  const { libc } = basic.named as Record<string, string>;
  assert.match(await copies(lab, [...between('ssh'), '--relay', libc!]), /through here: as asked for\n/);
  assert.match(
    await copies(lab, [...between('ssh'), '--no-recursive', '--dry-run', basic.top]),
    /through here: single paths/,
  );
});

test('only over a bastion from here: each machine is told the way it has itself', async () => {
  const basic = await closure('basic');
  await using lab = await start(basic, { bastion: {} });
  await part(lab, 'work', 'pi2');
  const config = (file: string): void => writeFileSync(join(lab.root('work'), 'root/.ssh/config'), file);
  // a name that only this machine knows
  config(`Host box\n  HostName ${lab.address('pi2')}\n  ProxyJump bastion\n`);
  const ends = ['--from', 'ssh://pi1', '--to', 'ssh://box'];
  const said = await copies(lab, [...ends, basic.named['libc']!]);
  assert.match(said, /directly: ssh:\/\/pi1 sends .*since pi1 can log in to root@10\.77/);
  await part(lab, 'pi1', 'pi2');
  assert.match(
    await copies(lab, [...ends, basic.named['hello']!]),
    /through here: pi1 cannot reach box \(.*No route.*\), and box cannot reach pi1/,
  );
  config('');
  const jump = { NIX_SSHOPTS: '-J bastion' };
  assert.match(await copies(lab, [...between('ssh-ng'), basic.top], jump), /through here: pi1 cannot reach pi2/);
  await there(lab, basic);
});

test('the ssh agent is lent when that is asked for, and never else', async () => {
  const basic = await closure('basic');
  const log = 'echo "agent=$SSH_AUTH_SOCK" >> /root/agents';
  await using lab = await start(basic, { pi1: { bashrc: log }, pi2: { bashrc: log } });
  for (const pi of ['pi1', 'pi2']) loseKey(lab, pi);
  // the user's own configuration would lend it to everybody
  writeFileSync(join(lab.root('work'), 'root/.ssh/config'), 'ForwardAgent yes\n');
  const agent = 'ssh-agent -a /root/agent.sock > /dev/null; SSH_AUTH_SOCK=/root/agent.sock ssh-add -q';
  await lab.exec('work', ['sh', '-c', agent]);
  const env = { SSH_AUTH_SOCK: '/root/agent.sock' };
  const lent = (host: string): string[] =>
    readFileSync(join(lab.root(host), 'root/agents'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && line !== 'agent=');
  const said = await copies(lab, [...between('ssh'), basic.named['libc']!], env);
  assert.match(said, /through here: pi1 cannot log in to pi2 .*\n +hint: --forward-agent lends them your keys/);
  assert.deepEqual([...lent('pi1'), ...lent('pi2')], []);
  const asked = await copies(lab, [...between('ssh'), '--forward-agent', basic.top], env);
  assert.match(asked, /directly: ssh:\/\/pi1 sends by nix-copy-closure, with your ssh agent, since/);
  assert.ok(lent('pi1').length > 0);
  assert.deepEqual(lent('pi2'), []);
  await there(lab, basic);
});

test('a host key that is not known, or of another machine: nothing is sent, whoever asks', async () => {
  const basic = await closure('basic');
  const { libc, hello } = basic.named as Record<string, string>;
  await using lab = await start(basic, { pi3: {} });
  loseKey(lab, 'pi2');
  const known = join(lab.root('pi1'), 'etc/ssh/ssh_known_hosts');
  const before = readFileSync(known, 'utf8');
  writeFileSync(known, before.replace(/^pi2,.*\n/m, ''));
  assert.match(await copies(lab, [...between('ssh'), libc!]), /through here: pi1 does not know the host key of pi2/);
  assert.doesNotMatch(readFileSync(known, 'utf8'), /^pi2/m);
  // pi1 takes pi3 for pi2, and knows no better
  const key = readFileSync(join(lab.root('pi3'), 'etc/ssh/lab_host_key.pub'), 'utf8')
    .split(' ')
    .slice(0, 2)
    .join(' ');
  writeFileSync(known, `${before.replace(/^pi2,.*\n/m, '')}pi2 ${key}\n`);
  const hosts = join(lab.root('pi1'), 'etc/hosts');
  writeFileSync(hosts, readFileSync(hosts, 'utf8').replace(/^\S+ pi2$/m, `${lab.address('pi3')} pi2`));
  assert.match(
    await copies(lab, [...between('ssh'), hello!]),
    /through here: pi1 finds another machine under the name/,
  );
  assert.equal(
    await nix('2.8')
      .store(lab.root('pi3'), '-q', '--requisites', '/nix/store')
      .catch(() => 'none'),
    'none',
  );
  assert.equal((await lab.exec('pi3', ['sh', '-c', 'ls /nix/store'])).stdout, '');
});

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

test('an end that is this machine, or a key that only it has, is nobody else\u2019s to reach', async () => {
  const basic = await closure('basic');
  await using lab = await start(basic, {});
  loseKey(lab, 'pi2');
  const { libc } = basic.named as Record<string, string>;
  const to = 'ssh://pi2?ssh-key=/root/.ssh/id_ed25519';
  assert.match(
    await copies(lab, ['--from', 'ssh://pi1', '--to', to, libc!]),
    /through here: only this machine has the ssh-key of pi2, and pi2 cannot log in to pi1/,
  );
  const said = await copies(lab, ['--from', 'ssh://pi1', '--to', 'ssh://localhost', libc!]);
  assert.doesNotMatch(said, /through here|directly/);
});
