// Bundles for places without narrow: what is written is read by every Nix, with its signatures where the format has them.

import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure, keyPair } from '../lab/closures.ts';
import type { HostOptions } from '../lab/hosts.ts';
import { startHosts } from '../lab/hosts.ts';
import { freshStore, nix, nixes } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import type { RunResult } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';

const create = (root: string, ...args: string[]): ReturnType<typeof narrow> =>
  narrow(['bundle', 'create', '--store', `local?root=${root}`, ...args]);

async function expectWhole(root: string, top: string, count: number): Promise<void> {
  assert.equal(await nix('2.8').complaints(root), undefined);
  assert.equal((await nix('2.8').store(root, '-qR', top)).split('\n').length, count);
}

test('an export stream is that of nix-store --export', async () => {
  const { root, top, paths } = await closure('basic');
  const dir = tempDir('export');
  const [ours, theirs, packed] = ['ours', 'theirs', 'packed.export.xz'].map((name) => join(dir, name));
  await create(root, '--format', 'nix-export', '-o', ours!, top);
  await run(['sh', '-c', 'nix-store --store "$1" --export $2 > "$0"', theirs!, root, paths.join(' ')], {
    env: nix('2.8').env(),
  });
  assert.ok(readFileSync(ours!).equals(readFileSync(theirs!)));
  await create(root, '--format', 'nix-export', '-o', packed!, top);
  for (const which of nixes()) {
    const island = await freshStore();
    await run(['sh', '-c', 'xz -dc "$0" | nix-store --store "$1" --import', packed!, island], { env: which.env() });
    await expectWhole(island, top, paths.length);
  }
});

test('a cache in a tar archive keeps signatures, and is whole at any time while it is unpacked', async () => {
  const { root, top, paths } = await closure('signed');
  const { publicKey } = await keyPair('lab-1');
  const dir = tempDir('tar');
  const file = join(dir, 'x.tar');
  await create(root, '--format', 'cache-tar', '-o', file, top);
  const names = (await run(['tar', '-t', '-f', file])).stdout.trim().split('\n');
  assert.equal(names[0], 'nix-cache-info');
  const seen = new Set<string>();
  await run(['tar', '-x', '-f', file, '-C', dir]);
  for (const name of names) {
    seen.add(name);
    if (!name.endsWith('.narinfo')) continue;
    const text = readFileSync(join(dir, name), 'utf8');
    const references = /^References: (.*)$/m.exec(text)?.[1]?.split(' ').filter(Boolean) ?? [];
    for (const part of references) assert.ok(seen.has(`${part.slice(0, 32)}.narinfo`), `${name} before ${part}`);
    assert.ok(seen.has(/^URL: (.*)$/m.exec(text)![1]!));
  }
  for (const which of nixes()) {
    const island = await freshStore();
    const conf = `require-sigs = true\ntrusted-public-keys = ${publicKey}\n`;
    await which.run('nix', ['copy', '--from', `file://${dir}`, '--to', island, top], { conf });
    await expectWhole(island, top, paths.length);
  }
});

test('just what the other side lacks', async () => {
  const [basic, updated] = [await closure('basic'), await closure('updated')];
  const dir = tempDir('part');
  const [inventory, file] = [join(dir, 'inventory'), join(dir, 'x.tar.zst')];
  await narrow(['inventory', '--store', `local?root=${basic.root}`, '-o', inventory]);
  const fresh = updated.paths.filter((path) => !basic.paths.includes(path));
  const made = JSON.parse(
    (await create(updated.root, '--json', '--format', 'cache-tar', '--for', inventory, '-o', file, updated.top)).stdout,
  ) as { paths: { path: string }[]; needs: string[] };
  assert.deepEqual(made.paths.map(({ path }) => path).sort(), [...fresh].sort());
  assert.ok(made.needs.length > 0);
  const shown = JSON.parse((await narrow(['bundle', 'show', '--json', file])).stdout) as Record<string, unknown>;
  assert.deepEqual([shown['kind'], shown['compression'], shown['needs']], ['tar', 'zstd', made.needs]);
});

test('what only bundles of narrow can do is refused', async () => {
  const { root, top } = await closure('basic');
  const args = ['bundle', 'create', '--store', `local?root=${root}`, '-o', join(tempDir('no'), 'x'), top];
  for (const more of [
    ['--format', 'nix-export', '--volume-size', '4G'],
    ['--self-extract', '--sign', 'key'],
    ['--compression', 'xz'],
  ])
    await fails(2, [...args, ...more]);
});

/** A file that applies itself, readable by everybody. */
async function selfExtracting(name: 'signed' | 'updated', ...args: string[]): Promise<string> {
  const { root, top } = await closure(name);
  const dir = tempDir('self');
  chmodSync(dir, 0o755);
  const file = join(dir, 'apply it.sh');
  await create(root, '--self-extract', '-o', file, ...args, top);
  return file;
}

test('it applies itself on a machine without network, by its daemon for whom it does not trust', async () => {
  const { top, paths } = await closure('signed');
  const { publicKey } = await keyPair('lab-1');
  const file = await selfExtracting('signed');
  const options: HostOptions = { daemon: true, trustedKeys: [publicKey], users: [{ name: 'bob' }] };
  await using lab = await startHosts({
    old: { ...options, nix: '2.8', readOnlyStore: true },
    middle: { ...options, nix: '2.26' },
    current: { ...options, nix: 'current' },
    other: { ...options, trustedKeys: [] },
  });
  for (const host of ['old', 'middle', 'current']) {
    const { stdout } = await lab.exec(host, ['sh', file, '--out-link', '/tmp/linked'], { user: 'bob' });
    assert.equal(stdout, `${top}\n`, host);
    await expectWhole(lab.root(host), top, paths.length);
    await run(['rm', '/tmp/linked']);
  }
  const refused = await lab.exec('other', ['sh', file], { user: 'bob', mayFail: true });
  assert.match(refused.stderr, /signature/);
  await lab.exec('other', ['sh', file, '--no-check-sigs', '--profile', '/nix/var/nix/profiles/system']);
  await expectWhole(lab.root('other'), top, paths.length);
});

test('it says what it is, and what is wrong with it', async () => {
  const { top, paths } = await closure('signed');
  const file = await selfExtracting('signed');
  const dir = tempDir('tmp');
  const sh = (...args: string[]): Promise<RunResult> =>
    run(['dash', ...args], { env: { ...nix('2.8').env(), TMPDIR: dir }, mayFail: true });
  assert.deepEqual((await sh(file, '--list')).stdout.trim().split('\n').sort(), [...paths].sort());
  assert.match((await sh(file, '--help')).stdout, /--extract DIR/);
  assert.equal((await sh(file, '--check')).status, 0);
  assert.equal((await sh(file, '--wrong')).status, 2);
  const island = await freshStore();
  await narrow(['bundle', 'apply', '--no-check-sigs', '--to', `local?root=${island}`, file]);
  await expectWhole(island, top, paths.length);
  const cache = join(dir, 'cache');
  assert.equal((await sh(file, '--extract', cache)).status, 0);
  await nix('2.26').nix('copy', '--no-check-sigs', '--from', `file://${cache}`, '--to', await freshStore(), top);

  const bytes = readFileSync(file);
  const bad = join(dir, 'bad');
  bytes[bytes.length - 20_000]! ^= 1;
  writeFileSync(bad, bytes);
  assert.match((await sh(bad)).stderr, /damaged: copy it again/);
  copyFileSync(file, bad);
  truncateSync(bad, bytes.length - 10);
  assert.match((await sh(bad)).stderr, /was cut/);
  assert.deepEqual((await run(['ls', dir])).stdout, 'bad\ncache\n', 'nothing is left');
});

test('without what it needs it changes nothing, with it it goes on from there', async () => {
  const [basic, updated] = [await closure('basic'), await closure('updated')];
  const inventory = join(tempDir('inventory'), 'x');
  await narrow(['inventory', '--store', `local?root=${basic.root}`, '-o', inventory]);
  const file = await selfExtracting('updated', '--for', inventory);
  const island = await freshStore();
  const apply = (): Promise<RunResult> =>
    run(['sh', file, '--no-check-sigs'], { env: { ...nix('2.8').env(), NIX_REMOTE: island }, mayFail: true });
  const { status, stderr } = await apply();
  assert.equal(status, 1);
  assert.match(stderr, /nothing was added, since these paths are not here/);
  await narrow([
    'copy',
    '--no-check-sigs',
    '--from',
    `local?root=${basic.root}`,
    '--to',
    `local?root=${island}`,
    basic.top,
  ]);
  assert.equal((await apply()).status, 0);
  await expectWhole(island, updated.top, updated.paths.length);
});
