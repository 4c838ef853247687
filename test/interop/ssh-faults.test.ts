// What goes wrong while bytes move over ssh: one error, nothing half done, and the next run goes on.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure } from '../lab/closures.ts';
import { nix } from '../lab/nix.ts';
import { copies, fails, schemes, start } from './ssh-lab.ts';

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

test('ssh-ng: a program that is asked for the closure beside the daemon, and hangs, holds nobody up', async () => {
  const basic = await closure('basic');
  await using lab = await start({ pi: {} }, basic);
  await lab.seed('pi', basic.root, [basic.top]);
  const bin = join(lab.root('pi'), 'root/bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'nix-store'), '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 });
  writeFileSync(join(bin, 'nix-daemon'), '#!/bin/sh\nexec /usr/bin/nix-daemon "$@"\n', { mode: 0o755 });
  const from = 'ssh-ng://pi?remote-program=/root/bin/nix-daemon';
  assert.match(await copies(lab, ['--from', from, '--to', '/root/back', basic.top]), /copied 29 paths/);
});
