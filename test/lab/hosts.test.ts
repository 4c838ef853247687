import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { closure, keyPair } from './closures.ts';
import { startHosts } from './hosts.ts';
import { nix } from './nix.ts';
import { run } from './run.ts';

test('hosts reach each other by ssh, each with its own Nix, users and shell', async () => {
  await using lab = await startHosts({
    work: {},
    pi1: { nix: '2.26', daemon: true, users: [{ name: 'alice', trusted: true }], bashrc: 'echo welcome' },
    pi2: { nix: 'current', shell: '/usr/bin/fish' },
    bare: { nix: 'none' },
  });
  const ssh = (to: string, command: string): Promise<string> =>
    lab.exec('work', ['ssh', '-o', 'BatchMode=yes', to, command], { mayFail: true }).then((r) => r.stdout + r.stderr);
  assert.equal(await ssh('alice@pi1', 'hostname; id -un; nix --version | grep -o 2.26'), 'pi1\nalice\n2.26\n');
  assert.equal(await ssh('pi1', 'hostname'), 'welcome\npi1\n');
  assert.match(await ssh('pi2', `nix-store --version; echo (pwd)`), new RegExp(`${nix('current').label}.*\n/root\n`));
  assert.equal(await ssh('bare', 'nix-store --serve'), 'nix-store: command not found\n');
});

test('a store that is mounted read-only takes signed paths through its daemon, and no others', async () => {
  const signed = await closure('signed');
  const plain = await closure('rebuilt');
  const { publicKey } = await keyPair('lab-1');
  await using lab = await startHosts({
    work: {},
    pi: { nix: 'current', daemon: true, readOnlyStore: true, trustedKeys: [publicKey], users: [{ name: 'bob' }] },
  });
  assert.equal((await lab.exec('pi', ['touch', '/nix/store/x'], { mayFail: true })).status, 1);
  await lab.seed('work', signed.root, [signed.top]);
  await lab.seed('work', plain.root, [plain.top]);
  const before = await lab.bytes('pi');
  await lab.exec('work', ['nix', 'copy', '--to', 'ssh-ng://bob@pi', signed.top]);
  const { in: after } = await lab.bytes('pi');
  assert.ok(after - before.in > 4_000_000, `${after - before.in} bytes went in`);
  const refused = await lab.exec('work', ['nix', 'copy', '--to', 'ssh-ng://bob@pi', plain.top], { mayFail: true });
  assert.match(refused.stderr, /lacks a (valid )?signature/);
  assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
});

test('a relay on a host counts the turns of a login, and cuts', async () => {
  await using lab = await startHosts({ work: {}, pi: { rate: '8mbit' } });
  await using relay = await lab.relay('work', { to: 'pi:22', delay: 20 });
  const argv = ['ssh', '-p', String(relay.port), '-o', 'HostKeyAlias=pi', '127.0.0.1'];
  assert.equal((await lab.exec('work', [...argv, 'hostname'])).stdout, 'pi\n');
  const { turns, connections } = await relay.stats();
  assert.equal(connections, 1);
  assert.ok(turns >= 8 && turns <= 24, `${turns} turns`);
  const hanging = lab.exec('work', [...argv, 'sleep 60'], { mayFail: true });
  await sleep(700);
  await relay.cut();
  assert.equal((await hanging).status, 255);
});

test('hosts end with the process that started them, however it ends', async () => {
  const mark = `lab-mark-${process.pid}`;
  const program = `import { startHosts } from '${import.meta.dirname}/hosts.ts';
    const lab = await startHosts({ work: {} });
    await lab.exec('work', ['bash', '-c', '(exec -a ' + process.env.MARK + ' sleep 1000 < /dev/null > /dev/null 2>&1 & )']);
    console.log('up');
    await new Promise(() => setInterval(() => {}, 1000));`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, MARK: mark },
  });
  await once(child.stdout, 'data');
  const alive = async (): Promise<number> => Number((await run(['pgrep', '-fc', mark], { mayFail: true })).stdout);
  assert.equal(await alive(), 1);
  child.kill('SIGKILL');
  for (let i = 0; i < 100 && (await alive()) > 0; i++) await sleep(50);
  assert.equal(await alive(), 0);
});
