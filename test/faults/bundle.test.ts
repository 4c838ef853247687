// Bundles that are killed while they are made or applied: nothing half done is visible, and the next run completes.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { command, environment, narrow } from '../e2e/narrow.ts';
import { closure, copyOfStore } from '../lab/closures.ts';
import { nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';

/** Runs narrow until the n-th of some system calls. */
async function killed(calls: string, n: number, args: readonly string[]): Promise<boolean> {
  const inject = [`--inject=${calls}:signal=KILL:when=${n}`, '-e', `trace=${calls}`, '-o', '/dev/null'];
  const argv = ['strace', '-f', '-qq', ...inject, command, ...args];
  const { status } = await run(argv, { mayFail: true, env: environment() });
  return status !== 0;
}

test('killed while it is applied', { timeout: 120_000 }, async () => {
  const [basic, rebuilt] = [await closure('basic'), await closure('rebuilt')];
  const dir = tempDir('killed');
  const work = await copyOfStore(basic.root);
  await narrow([
    'copy',
    '--no-check-sigs',
    '--from',
    `local?root=${rebuilt.root}`,
    '--to',
    `local?root=${work}`,
    rebuilt.top,
  ]);
  const island = await copyOfStore(basic.root);
  const file = join(dir, 'a.bundle');
  await narrow(['bundle', 'create', '--store', `local?root=${work}`, '-o', file, '--for', basic.top, rebuilt.top]);
  const args = ['bundle', 'apply', '--no-check-sigs', '--to', `local?root=${island}`, file];
  for (const [calls, n] of [
    ['rename,renameat,renameat2', 2],
    ['mkdir', 12],
    ['pwrite64', 25],
    ['rename,renameat,renameat2', 9],
  ] as const) {
    await killed(calls, n, args);
    assert.equal(await nix('2.8').complaints(island), undefined, `${calls} ${n}`);
  }
  await narrow(args);
  assert.equal(await nix('2.8').complaints(island), undefined);
  assert.equal((await nix('2.8').store(island, '-qR', rebuilt.top)).split('\n').length, rebuilt.paths.length);
});

test('killed while it is made', { timeout: 120_000 }, async () => {
  const { root, top } = await closure('basic');
  const dir = tempDir('made');
  const file = join(dir, 'a.bundle');
  const args = ['bundle', 'create', '--store', `local?root=${root}`, '-o', file, top];
  assert.ok(await killed('write', 30, args));
  assert.ok(!readdirSync(dir).includes('a.bundle'));
  await narrow(args);
  assert.match((await narrow(['bundle', 'verify', file])).stderr, /is whole/);
});
