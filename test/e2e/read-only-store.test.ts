// The command on machines as NixOS has them: /nix/store is mounted read-only, and only root, or a daemon, may write to it.

import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { closure, keyPair } from '../lab/closures.ts';
import { startHosts } from '../lab/hosts.ts';
import { nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { command, narrow } from './narrow.ts';

const cache = join(tempDir('read-only'), 'cache');
let top: string;
let publicKey: string;

before(async () => {
  const signed = await closure('signed');
  ({ top } = signed);
  ({ publicKey } = await keyPair('lab-1'));
  await narrow(['copy', '--from', `local?root=${signed.root}`, '--to', `file://${cache}?compression=zstd`, top]);
  chmodSync(join(cache, '..'), 0o755);
});

const copy = (...args: string[]): string[] => [command, 'copy', '--from', `file://${cache}`, ...args, top];

test('without a daemon root writes all the same, and for everybody else the store stays read-only', async () => {
  await using lab = await startHosts({ pi: { nix: 'current', readOnlyStore: true, trustedKeys: [publicKey] } });
  await lab.exec('pi', copy('--to', 'local', '--out-link', '/root/result'));
  await lab.exec('pi', ['nix-store', '--check-validity', top]);
  assert.equal((await lab.exec('pi', ['touch', '/nix/store/x'], { mayFail: true })).status, 1);
  assert.equal(await nix('current').complaints(lab.root('pi')), undefined);
  await lab.exec('pi', [command, 'verify', '--recursive', '/root/result']);
  // where no end is named it is the same store: nothing is left to do
  const { stderr } = await lab.exec('pi', copy('--out-link', '/root/result'));
  assert.match(stderr, /nothing to copy/);
});

test('without a daemon an ordinary user is told what to do, and nothing is touched', async () => {
  await using lab = await startHosts({
    pi: { nix: 'current', readOnlyStore: true, trustedKeys: [publicKey], users: [{ name: 'bob' }] },
  });
  for (const to of [['--to', 'local'], []]) {
    const { status, stderr } = await lab.exec('pi', copy(...to), { user: 'bob', mayFail: true });
    assert.equal(status, 1, stderr);
    assert.match(stderr, /cannot take the copy: .*(mounted read-only|may not write)/);
    assert.match(stderr, /hint: .*daemon.*root/);
  }
  assert.ok(!existsSync(join(lab.root('pi'), top)));
});

test('where a daemon answers it writes, for root and for others, and asks for signatures', async () => {
  const unsigned = await closure('rebuilt');
  await using lab = await startHosts({
    pi: { nix: 'current', daemon: true, readOnlyStore: true, trustedKeys: [publicKey], users: [{ name: 'bob' }] },
  });
  const other = join(cache, '../unsigned');
  await narrow([
    'copy',
    '--from',
    `local?root=${unsigned.root}`,
    '--to',
    `file://${other}?compression=zstd`,
    unsigned.top,
  ]);
  const refused = [command, 'copy', '--from', `file://${other}`, unsigned.top];
  const { status, stderr } = await lab.exec('pi', refused, { user: 'bob', mayFail: true });
  assert.equal(status, 1, stderr);
  assert.match(stderr, /lacks a valid signature by a trusted key/);
  for (const [option, link, said] of [
    [
      '--profile',
      '/nix/var/nix/profiles/system',
      /this user may not write to \/nix\/var\/nix\/profiles.*\n +hint: .*sudo/,
    ],
    ['--out-link', '/home/bob/.ssh', /what lies there is no symbolic link/],
  ] as const) {
    const known = await lab.exec('pi', [...copy(), option, link], { user: 'bob', mayFail: true });
    assert.equal(known.status, 1, known.stderr);
    assert.match(known.stderr, said);
    assert.ok(!existsSync(join(lab.root('pi'), top)), 'before anything is copied');
  }
  assert.match((await lab.exec('pi', copy(), { user: 'bob' })).stderr, /to daemon/);
  await lab.exec('pi', ['nix-store', '--check-validity', top]);
  assert.match((await lab.exec('pi', copy('--dry-run'))).stderr, /to daemon/);
  assert.equal(await nix('current').complaints(lab.root('pi')), undefined);
});

test('root may write beside a daemon that runs', async () => {
  await using lab = await startHosts({
    pi: { nix: '2.26', daemon: true, readOnlyStore: true, trustedKeys: [publicKey] },
  });
  await lab.exec('pi', copy('--to', 'local'));
  await lab.exec('pi', ['nix', 'path-info', '--store', 'daemon', top]);
  assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
});

test('a store on a file system that is read-only itself is refused, with the reason', async () => {
  const dir = join(tempDir('image'), 'd');
  mkdirSync(dir);
  const script = `mount -t tmpfs tmpfs "${dir}"; mkdir -p ${dir}/nix/store; mount -o remount,ro "${dir}"; exec "$@"`;
  const argv = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh'];
  await using lab = await startHosts({ pi: { nix: 'none' } });
  const args = [
    ...argv,
    command,
    'copy',
    '--no-check-sigs',
    '--from',
    `file://${cache}`,
    '--to',
    `local?root=${dir}`,
    top,
  ];
  const { status, stderr } = await lab.exec('pi', args, { mayFail: true });
  assert.equal(status, 1, stderr);
  assert.match(stderr, /cannot take the copy: .*read-only/);
});
