// What goes wrong while a cache is written over SFTP: one error that names it, no narinfo without its NAR and its
// references, and the next run goes on.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { command } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import { expectComplete, unfinished } from './sftp-lab.ts';
import { copies, fails, start } from './ssh-lab.ts';

const basic = await closure('basic');
const env = { NIX_SSHOPTS: '-oHostKeyAlias=pi -oControlMaster=no' };

/** Waits for the first narinfo, or the end of what writes it. */
async function begun(directory: string, running: Promise<unknown>): Promise<void> {
  let ended = false;
  const end = (): void => void (ended = true);
  running.then(end, end);
  const none = (): boolean =>
    !existsSync(directory) || !readdirSync(directory).some((name) => name.endsWith('.narinfo'));
  while (!ended && none()) await sleep(10);
}

test('a connection that is cut anywhere gives one error, and the next run goes on', async () => {
  await using lab = await start({ pi: { nix: 'none' } }, basic);
  const dir = join(lab.root('pi'), 'root/cache');
  for (const toServer of [3000, 6000, 60_000, 1_000_000]) {
    await using relay = await lab.relay('work', { to: 'pi:22', cutAfter: { toServer } });
    const there = `sftp://127.0.0.1:${relay.port}/root/cache?compression=none`;
    assert.match(await fails(lab, ['--to', there, basic.top], env), /ssh connection to 127.0.0.1 failed/);
    expectComplete(dir);
  }
  await copies(lab, ['--to', 'sftp://pi/root/cache?compression=none', basic.top]);
  assert.equal(expectComplete(dir), basic.paths.length);
  for (const toClient of [3000, 2_000_000]) {
    await using relay = await lab.relay('work', { to: 'pi:22', cutAfter: { toClient } });
    const from = ['--from', `sftp://127.0.0.1:${relay.port}/root/cache`, '--to', 'local?root=/root/back', basic.top];
    assert.match(await fails(lab, from, env), /ssh connection to 127.0.0.1 failed/, `cut after ${toClient}`);
  }
});

test('a server that is killed in the middle', async () => {
  await using lab = await start({ pi: { nix: 'none' } }, basic);
  const dir = join(lab.root('pi'), 'root/cache');
  await using relay = await lab.relay('work', { to: 'pi:22', rate: 1_000_000 });
  const program = '?compression=none&remote-program=/usr/lib/openssh/sftp-server';
  const there = `sftp://127.0.0.1:${relay.port}/root/cache${program}`;
  const running = fails(lab, ['--to', there, basic.top], env);
  await begun(dir, running);
  // in the host's own space of processes
  await lab.exec('pi', ['sh', '-c', 'kill -9 $(pidof sftp-server)']);
  assert.match(await running, /sftp:\/\/127.0.0.1:\d+\/root\/cache/);
  const before = expectComplete(dir);
  assert.ok(before < basic.paths.length);
  assert.ok(unfinished(dir).length > 0);
  await copies(lab, ['--to', `sftp://pi/root/cache${program}`, basic.top]);
  assert.equal(expectComplete(dir), basic.paths.length);
});

test('interrupted here: what was not finished is removed there', async () => {
  await using lab = await start({ pi: { nix: 'none' } }, basic);
  const dir = join(lab.root('pi'), 'root/cache');
  await using relay = await lab.relay('work', { to: 'pi:22', rate: 1_000_000, delay: 20 });
  const there = `sftp://127.0.0.1:${relay.port}/root/cache?compression=none`;
  const words = ['sh', '-c', 'echo $$ > /root/pid; exec "$@"', 'sh', command, 'copy', '--no-check-sigs'];
  const running = lab.exec('work', [...words, '--to', there, basic.top], { mayFail: true, timeout: 60_000, env });
  await begun(dir, running);
  await lab.exec('work', ['sh', '-c', 'kill -INT $(cat /root/pid)']);
  const { status, stderr } = await running;
  assert.equal(status, 130, stderr);
  assert.deepEqual(unfinished(dir), []);
  assert.ok(expectComplete(dir) < basic.paths.length);
});

test('a disk that fills up, one that is read-only, and a directory of somebody else are told apart', async () => {
  await using lab = await start({ pi: { nix: 'none', users: [{ name: 'bob' }] } }, basic);
  const pi = (script: string): Promise<unknown> => lab.exec('pi', ['sh', '-ec', script]);
  const cache = 'sftp://pi/root/small/cache?compression=none';
  await pi('mkdir /root/small; mount -t tmpfs -o size=3m small /root/small');
  const full = await fails(lab, ['--to', cache, basic.top]);
  assert.match(full, /no space left on the device/);
  await pi('mount -o remount,size=100m /root/small; cp -r /root/small/cache /root/seen');
  expectComplete(join(lab.root('pi'), 'root/seen'));
  assert.deepEqual(unfinished(join(lab.root('pi'), 'root/seen')), []);
  await pi('mount -o remount,ro /root/small');
  assert.match(await fails(lab, ['--to', cache, basic.top]), /read-only/);
  await pi('mount -o remount,rw /root/small');
  await copies(lab, ['--to', cache, basic.top]);
  await pi('chown bob /root/small; chmod 755 /root; chmod 555 /root/small/cache /root/small/cache/nar');
  await pi('rm /root/small/cache/*.narinfo');
  const refused = await fails(lab, ['--to', cache.replace('pi', 'bob@pi'), basic.top]);
  assert.match(refused, /sftp:\/\/bob@pi\/root\/small\/cache\/\S+: permission denied/);
});
