// Pushing to a cache on a machine with narrow: what goes there travels as deltas against what the cache has, and all that a push
// does beside is done over SFTP.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { expectWhole, narinfos } from '../cache/small-caches.ts';
import { install, startPair } from '../interop/delta-lab.ts';
import { closure, keyPair } from '../lab/closures.ts';
import type { Hosts } from '../lab/hosts.ts';
import { freshStore, nixes } from '../lab/nix.ts';
import type { RunResult } from '../lab/run.ts';
import { command, fails } from './narrow.ts';

const [basic, rebuilt, key] = await Promise.all([closure('basic'), closure('rebuilt'), keyPair('lab-1')]);
const there = `ssh://pi1?remote-store=${encodeURIComponent('file:///root/cache?compression=zstd')}`;

const push = (lab: Hosts, ...args: string[]): Promise<RunResult> =>
  lab.exec('work', [command, 'push', there, '--key', key.secretFile, '--name', 'pi', ...args]);

function expectSigned(cache: string): void {
  expectWhole(cache, 'pushed');
  for (const name of narinfos(cache)) assert.match(readFileSync(join(cache, name), 'utf8'), /^Sig: lab-1:/m);
}

test('as deltas, signed when it arrives, and named; every Nix reads it', async () => {
  await using lab = await startPair(basic, rebuilt);
  await install(lab, 'pi1');
  const cache = join(lab.root('pi1'), 'root/cache');
  const first = await push(lab, basic.top);
  assert.match(first.stderr, /which has nothing to rebuild from[^]*pushed 29 paths[^]*generation 1 of pi/);
  const plan = JSON.parse((await push(lab, rebuilt.top, '--dry-run', '--json')).stdout) as {
    plan: { met: { kind: string; bases: number }; deltaSize: number };
  };
  assert.deepEqual([plan.plan.met.kind, plan.plan.met.bases], ['narrow', 29]);
  assert.ok(plan.plan.deltaSize < 10_000, `${plan.plan.deltaSize} bytes`);
  const before = (await lab.bytes('pi1')).in;
  const second = await push(lab, rebuilt.top);
  assert.match(second.stderr, /which rebuilds from 29 paths[^]*pushed 22 paths[^]*generation 2 of pi/);
  const moved = (await lab.bytes('pi1')).in - before;
  // two logins and all
  assert.ok(moved < 40_000, `${moved} bytes`);
  assert.equal(narinfos(cache).length, new Set([...basic.paths, ...rebuilt.paths]).size);
  expectSigned(cache);
  assert.match((await push(lab, rebuilt.top)).stderr, /nothing to push: all 29 paths are there\n/);
  for (const nix of nixes()) {
    const store = await freshStore();
    const conf = `trusted-public-keys = ${key.publicKey}\n`;
    await nix.run('nix', ['copy', '--from', `file://${cache}`, '--to', store, rebuilt.top], { conf });
    assert.equal(await nix.complaints(store), undefined);
  }
});

test('what is there without a signature gets it', async () => {
  await using lab = await startPair(basic, rebuilt);
  await install(lab, 'pi1');
  await lab.exec('work', [command, 'copy', '--to', there, basic.top]);
  assert.match((await push(lab, basic.top)).stderr, /nothing to push: all 29 paths are there, signatures added to 29/);
  assert.match((await push(lab, basic.top)).stderr, /nothing to push: all 29 paths are there\n/);
  expectSigned(join(lab.root('pi1'), 'root/cache'));
});

for (const nix of ['2.8', 'none'] as const)
  test(`without narrow there, and ${nix === 'none' ? 'no Nix' : `Nix ${nix}`}: whole paths, over SFTP`, async () => {
    await using lab = await startPair(basic, rebuilt, { nix });
    const { stderr } = await push(lab, basic.top);
    assert.match(stderr, /whole paths, since [^]*pushed 29 paths[^]*generation 1 of pi/);
    expectSigned(join(lab.root('pi1'), 'root/cache'));
  });

test('the store of a machine is no cache, and it says what to do', async () => {
  for (const url of ['ssh://pi', 'ssh-ng://pi?remote-store=/srv/store']) {
    const stderr = await fails(1, ['push', url, basic.top]);
    assert.match(
      stderr,
      /pi is named with .*, which is no static cache\n.*remote-store=file:\/\/\/srv\/cache.*narrow copy --to ssh:\/\/pi/,
    );
  }
});
