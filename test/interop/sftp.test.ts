// Caches over SFTP with a real sshd, read by every Nix from the directory and through nginx.
import assert from 'node:assert/strict';
import { cpSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure, keyPair } from '../lab/closures.ts';
import { startNginx } from '../lab/nginx.ts';
import { freshStore, nix, nixes } from '../lab/nix.ts';
import { expectComplete, unfinished } from './sftp-lab.ts';
import { copies, fails, narrow, start } from './ssh-lab.ts';

const basic = await closure('basic');
const key = await keyPair('lab-1');

const servers: readonly (readonly [what: string, parameters: string])[] = [
  ['sshd itself', 'compression=zstd'],
  [
    'a server that forbids posix-rename',
    'compression=xz&compression-level=0&remote-program=/usr/lib/openssh/sftp-server -P posix-rename',
  ],
];

for (const [what, parameters] of servers) {
  test(`${what}: every Nix reads what we write, from the directory and through nginx`, async () => {
    await using lab = await start({ pi: { nix: 'none' } }, basic);
    const secret = join(lab.root('work'), 'root/key.sec');
    cpSync(key.secretFile, secret);
    const there = `sftp://pi/root/cache?secret-key=/root/key.sec&${parameters}`;
    await copies(lab, ['--to', there, basic.top]);
    const dir = join(lab.root('pi'), 'root/cache');
    assert.equal(expectComplete(dir), basic.paths.length);
    assert.deepEqual(unfinished(dir), []);
    assert.equal(statSync(join(dir, 'nix-cache-info')).mode & 0o777, 0o644);
    await using server = await startNginx(dir);
    for (const one of nixes()) {
      for (const url of what === 'sshd itself' ? [`file://${dir}`, server.url] : [server.url]) {
        const to = await freshStore();
        await one.run('nix', ['copy', '--from', url, '--to', to, basic.top], {
          conf: `trusted-public-keys = ${key.publicKey}\n`,
        });
        assert.equal(await one.complaints(to), undefined);
      }
    }
    assert.match(await copies(lab, ['--to', there, basic.top]), /nothing to copy/);
    await copies(lab, ['--from', 'sftp://pi/root/cache', '--to', 'local?root=/root/back', basic.top]);
    assert.equal(await nix('2.8').complaints(join(lab.root('work'), 'root/back')), undefined);
  });
}

test('we read over SFTP what each Nix wrote, and verify all of it by listing', async () => {
  await using lab = await start({ pi: { nix: 'none' } }, basic);
  for (const one of nixes()) {
    const dir = join(lab.root('pi'), 'root', one.label);
    await one.run('nix', [
      'copy',
      '--from',
      basic.root,
      '--to',
      `file://${dir}?compression=zstd`,
      '--no-check-sigs',
      basic.top,
    ]);
    await copies(lab, ['--from', `sftp://pi/root/${one.label}`, '--to', `local?root=/root/of-${one.label}`, basic.top]);
    assert.equal(await nix('2.8').complaints(join(lab.root('work'), `root/of-${one.label}`)), undefined);
    const verified = await narrow(lab, ['verify', '--all', '--no-trust', '--store', `sftp://pi/root/${one.label}`]);
    assert.equal(verified.status, 0, verified.stderr);
  }
});

test('a user who may do nothing else writes to the own home, with files for everybody to read', async () => {
  const sshd = 'Match User bob\n  ForceCommand internal-sftp -u 077\n';
  const pi = { nix: 'none', sshd, users: [{ name: 'bob', shell: '/usr/sbin/nologin' }] } as const;
  await using lab = await start({ pi }, basic);
  await copies(lab, ['--to', 'sftp://bob@pi/~/a/b?compression=zstd', basic.top]);
  const dir = join(lab.root('pi'), 'home/bob/a/b');
  assert.equal(expectComplete(dir), basic.paths.length);
  for (const name of readdirSync(dir)) if (name !== 'nar') assert.equal(statSync(join(dir, name)).mode & 0o777, 0o644);
  assert.match(
    await fails(lab, ['--to', 'sftp://bob@pi/etc/cache', basic.top]),
    /cannot .* sftp:\/\/bob@pi\/etc\/cache.*: permission denied/,
  );
});

test('a place that is none is told by its name', async () => {
  await using lab = await start({ pi: { nix: 'none', bashrc: 'echo Welcome to pi\n' } }, basic);
  const from = (url: string): string[] => ['--from', url, '--to', 'local?root=/root/back', basic.top];
  assert.match(await fails(lab, from('sftp://pi/root/none')), /sftp:\/\/pi\/root\/none is no binary cache/);
  assert.match(await fails(lab, from('sftp://nowhere/root/none')), /ssh connection to nowhere failed/);
  const program = 'sftp://pi/root/none?remote-program=';
  assert.match(
    await fails(lab, from(`${program}/usr/lib/openssh/sftp-server`)),
    /login shell of pi printed "Welcome to pi" before/,
  );
  assert.match(await fails(lab, from('sftp://pi'), {}, 2), /names no directory on a host/);
});

test('pushed under a name, verified and collected: what looks after caches works over SFTP', async () => {
  const rebuilt = await closure('rebuilt');
  await using lab = await start({ pi: { nix: 'none' } }, basic);
  const cache = 'sftp://pi/root/cache?compression=zstd';
  const works = async (...args: string[]): Promise<void> => {
    const { status, stderr } = await narrow(lab, args);
    assert.equal(status, 0, stderr);
  };
  const signing = ['--key', '/root/key.sec', '--trusted-public-key', key.publicKey];
  cpSync(key.secretFile, join(lab.root('work'), 'root/key.sec'));
  await works('push', cache, ...signing, '--from', `local?root=${rebuilt.root}`, rebuilt.top);
  await works('push', cache, ...signing, '--name', 'fnord', basic.top);
  const dir = join(lab.root('pi'), 'root/cache');
  const all = new Set([...basic.paths, ...rebuilt.paths]).size;
  assert.equal(expectComplete(dir), all);
  await works('cache', 'verify', cache, '--trusted-public-key', key.publicKey);
  await works('cache', 'gc', cache, '--keep-generations', '1', '--grace', '0s');
  assert.equal(expectComplete(dir), basic.paths.length);
  assert.ok(basic.paths.length < all);
  const back = ['--to', 'local?root=/root/back', '--trusted-public-key', key.publicKey, 'name:fnord'];
  await works('copy', '--from', 'sftp://pi/root/cache', ...back);
});
