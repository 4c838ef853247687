// Copies between two other machines that do not reach each other, or are not to: through here, and nobody is trusted more for it.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure } from '../lab/closures.ts';
import { nix } from '../lab/nix.ts';
import { copies, narrow } from './ssh-lab.ts';
import { between, loseKey, part, start, there } from './two-machines.ts';

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
