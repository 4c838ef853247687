// What goes wrong while deltas move over ssh: one error, nothing half done, and the next run goes on.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from 'node:test';
import { command } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import type { Hosts } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';
import { expectWhole, install, startPair, validOf } from './delta-lab.ts';
import { copies, fails, narrow } from './ssh-lab.ts';

const remember = `echo $$ > /root/narrow.pid; exec ${command} "$@"`;

/** Waits until `paths` are on their way: some are valid on the host, and not all. */
async function halfWay(lab: Hosts, paths: readonly string[]): Promise<void> {
  for (let i = 0; i < 400; i++) {
    const { length } = await validOf(lab, 'pi1', paths);
    if (length > 0 && length < paths.length) return;
    await wait(25);
  }
  throw new Error('the copy was never half-way');
}

test('a connection that is cut anywhere gives one error, and the next run goes on', async () => {
  const basic = await closure('basic');
  await using lab = await startPair(basic, basic, { nix: 'current' });
  await install(lab, 'pi1');
  await lab.exec('pi1', ['nix-store', '--gc']);
  const env = { NIX_SSHOPTS: '-oHostKeyAlias=pi1 -oControlMaster=no' };
  for (const bytes of [3000, 7000, 12_000, 400_000]) {
    await using relay = await lab.relay('work', { to: 'pi1:22', cutAfter: { toServer: bytes } });
    const error = await fails(lab, ['--to', `ssh://127.0.0.1:${relay.port}`, basic.top], env);
    assert.match(error, /ssh connection to 127.0.0.1 failed/, `cut after ${bytes}`);
  }
  assert.equal(await nix('2.8').complaints(lab.root('pi1')), undefined);
  assert.match(await copies(lab, ['--to', 'ssh://pi1', basic.top]), /narrow \S+ there[^]*copied/);
  await expectWhole(lab, 'pi1', basic);
  for (const bytes of [3000, 8000, 200_000]) {
    await using relay = await lab.relay('work', { to: 'pi1:22', cutAfter: { toClient: bytes } });
    const from = ['--from', `ssh://127.0.0.1:${relay.port}`, '--to', 'local?root=/root/back', basic.top];
    assert.match(await fails(lab, from, env), /ssh connection to 127.0.0.1 failed/, `cut after ${bytes}`);
  }
  assert.equal(await nix('2.8').complaints(join(lab.root('work'), 'root/back')), undefined);
  await copies(lab, ['--from', 'ssh://pi1', '--to', 'local?root=/root/back', basic.top]);
});

test('a far narrow that is killed half-way leaves a clean store, and the next run completes it', async () => {
  const basic = await closure('basic');
  await using lab = await startPair(basic, basic, { nix: '2.26' });
  await install(lab, 'pi1', remember);
  await lab.exec('pi1', ['nix-store', '--gc']);
  await lab.setRate('pi1', '4mbit');
  const copying = narrow(lab, ['copy', '--no-check-sigs', '--to', 'ssh://pi1', basic.top]);
  await halfWay(lab, basic.paths);
  await lab.exec('pi1', ['sh', '-c', 'kill -KILL $(cat /root/narrow.pid)']);
  const { status, stderr } = await copying;
  assert.equal(status, 1, stderr);
  assert.equal(stderr.split('\n').filter((line) => line.startsWith('narrow: ')).length, 1, stderr);
  assert.equal(await nix('2.8').complaints(lab.root('pi1')), undefined);
  await lab.setRate('pi1', '100mbit');
  await copies(lab, ['--to', 'ssh://pi1', basic.top]);
  await expectWhole(lab, 'pi1', basic);
});

test('a collector that runs there all the time takes neither bases nor what has come', async () => {
  const [basic, updated] = await Promise.all([closure('basic'), closure('updated')]);
  await using lab = await startPair(basic, updated);
  await install(lab, 'pi1');
  // one of them while the copy is being planned, too
  const script = 'while [ ! -e /root/enough ]; do nix-store --gc 2>&1; done';
  await install(lab, 'pi1', `nix-store --gc > /dev/null 2>&1 & exec ${command} "$@"`);
  await lab.exec('pi1', ['ln', '-s', basic.top, '/nix/var/nix/gcroots/system']);
  const said = await copies(lab, ['--to', 'ssh://pi1', '--out-link', 'kept', updated.top]);
  assert.match(said, /rebuilds from/);
  await lab.exec('pi1', ['sh', '-c', 'rm /nix/var/nix/gcroots/system']);
  await lab.setRate('pi1', '4mbit');
  const collecting = lab.exec('pi1', ['sh', '-c', script]);
  const rebuilt = await closure('rebuilt');
  await lab.seed('work', rebuilt.root, [rebuilt.top]);
  const more = await copies(lab, ['--to', 'ssh://pi1', '--out-link', 'new', rebuilt.top]);
  await lab.exec('pi1', ['touch', '/root/enough']);
  await collecting;
  assert.match(more, /rebuilds from/);
  await expectWhole(lab, 'pi1', rebuilt);
  await expectWhole(lab, 'pi1', updated);
});

test('a far side whose stream is damaged: one error or a path that is fetched whole, and nothing wrong is registered', async () => {
  const [basic, rebuilt] = await Promise.all([closure('basic'), closure('rebuilt')]);
  await using lab = await startPair(basic, rebuilt);
  await lab.seed('pi1', rebuilt.root, [rebuilt.top]);
  const flip = `let left = +process.argv[1];
    process.stdin.on('data', (b) => { if (left >= 0 && left < b.length) b[left] ^= 64; left -= b.length; process.stdout.write(b); });`;
  writeFileSync(join(lab.root('pi1'), 'root/flip.js'), flip);
  const node = process.execPath;
  writeFileSync(
    join(lab.root('pi1'), 'root/far'),
    `#!/bin/sh\nat=$1; shift; ${command} "$@" | ${node} -e "$(cat /root/flip.js)" "$at"\n`,
    { mode: 0o755 },
  );
  for (const [n, at] of [100, 1500, 1700].entries()) {
    const back = `/root/${n}`;
    await lab.exec('work', ['cp', '-a', basic.root, back]);
    const from = ['--from', `ssh://pi1?narrow=/root/far%20${at}`, '--to', `local?root=${back}`, rebuilt.top];
    const { status, stderr } = await narrow(lab, ['copy', '--no-check-sigs', ...from]);
    assert.doesNotMatch(stderr, /unexpected error/, `byte ${at}`);
    const errors = stderr.split('\n').filter((line) => line.startsWith('narrow: '));
    assert.equal(errors.length, status === 0 ? 0 : 1, stderr);
    assert.equal(await nix('2.8').complaints(join(lab.root('work'), back)), undefined, `byte ${at}`);
  }
});
