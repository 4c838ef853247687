// Kills a copy into a cache at each of its first renames and writes (strace injects SIGKILL at the n-th call): no narinfo is
// ever there without its NAR or without those of its references, and the next run completes.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { command, environment, narrow } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import { run } from '../lab/run.ts';
import { remove, tempDir } from '../lab/temp.ts';

const points: readonly [calls: string, count: number][] = [
  ['rename,renameat,renameat2', 9],
  ['write,pwrite64', 12],
];

const narinfos = (cache: string): string[] => readdirSync(cache).filter((name) => name.endsWith('.narinfo'));

/** Everything that a client could see is whole. */
function expectWhole(cache: string, what: string): void {
  if (!existsSync(cache)) return;
  for (const name of narinfos(cache)) {
    const text = readFileSync(join(cache, name), 'utf8');
    const field = (key: string): string => new RegExp(`^${key}: (.*)$`, 'm').exec(text)![1]!;
    assert.equal(statSync(join(cache, field('URL'))).size, Number(field('FileSize')), `${what}: ${name}`);
    for (const reference of field('References').split(' ').filter(Boolean))
      assert.ok(
        existsSync(join(cache, `${reference.slice(0, 32)}.narinfo`)),
        `${what}: ${name} refers to ${reference}`,
      );
  }
  if (narinfos(cache).length > 0) assert.ok(existsSync(join(cache, 'nix-cache-info')), what);
}

for (const [calls, count] of points) {
  test(`killed at each of ${count} ${calls}`, async () => {
    const { root, paths } = await closure('basic');
    const few = paths.slice(0, 5);
    let kills = 0;
    for (let n = 1; n <= count; n++) {
      const dir = tempDir('killed');
      const cache = join(dir, 'c');
      const args = ['copy', '--from', `local?root=${root}`, '--to', `file://${cache}?compression=zstd`, ...few];
      const inject = [`--inject=${calls}:signal=KILL:when=${n}`, '-e', `trace=${calls}`, '-o', '/dev/null'];
      const strace = ['strace', '-f', '-qq', ...inject];
      const { signal, status } = await run([...strace, command, ...args], { env: environment(), mayFail: true });
      if (signal !== null || status !== 0) kills++;
      expectWhole(cache, `${calls} ${n}`);
      await narrow(args);
      expectWhole(cache, `${calls} ${n}, next run`);
      assert.equal(narinfos(cache).length, few.length);
      remove(dir);
    }
    assert.ok(kills > 0, `${calls}: none was killed`);
  });
}
