// Kills a collection at each of its first unlinks and renames, and with it two pushes (strace injects SIGKILL at the n-th call): no
// narinfo is ever there without its NAR or its closure, what is named stays whole, and the next runs complete.

import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { age, expectWhole, narinfos } from '../cache/small-caches.ts';
import { command, environment, narrow } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import type { Closure } from '../lab/closures.ts';
import { run } from '../lab/run.ts';
import { remove, tempDir } from '../lab/temp.ts';

const dir = tempDir('kill-gc');
const full = join(dir, 'full');
let basic: Closure;
let updated: Closure;

before(async () => {
  [basic, updated] = await Promise.all([closure('basic'), closure('updated')]);
  const none = `${full}?compression=none&write-nar-listing=1`;
  await narrow(['push', none, '--from', basic.root, '--name', 'old', basic.named['libc']!]);
  await narrow(['push', none, '--from', basic.root, basic.top]);
  await narrow(['push', none, '--from', updated.root, updated.top]);
  age(full, 2 * 3_600_000);
});

function killed(args: readonly string[], calls: string, n: number): Promise<{ readonly signal: string | null }> {
  const inject = [`--inject=${calls}:signal=KILL:when=${n}`, '-e', `trace=${calls}`, '-o', '/dev/null'];
  return run(['strace', '-f', '-qq', ...inject, command, ...args], { env: environment(), mayFail: true });
}

const collect = (cache: string): string[] => ['cache', 'gc', cache, '--keep-generations', '1'];

test('a collection that is killed at any of its removals', async () => {
  const cache = join(dir, 'cache');
  let kills = 0;
  for (let n = 1; n <= 20; n += n < 3 ? 1 : 4) {
    cpSync(full, cache, { recursive: true, preserveTimestamps: true });
    if ((await killed(collect(cache), 'unlink,unlinkat,rename', n)).signal !== null) kills++;
    expectWhole(cache, `unlink ${n}`);
    await narrow(collect(cache));
    expectWhole(cache, `unlink ${n}, next run`);
    assert.equal(narinfos(cache).length, 1);
    remove(cache);
  }
  assert.ok(kills > 3, `${kills} were killed`);
});

test('two pushes and a collection at once, all of them killed', async () => {
  const cache = join(dir, 'busy');
  for (const n of [2, 5, 9, 14]) {
    cpSync(full, cache, { recursive: true, preserveTimestamps: true });
    const push = (one: Closure, ...more: string[]): string[] => [
      'push',
      `${cache}?compression=none`,
      '--from',
      one.root,
      one.top,
      ...more,
    ];
    await Promise.all([
      killed(push(updated, '--name', 'new'), 'rename', n),
      killed(push(basic), 'rename', n),
      killed(collect(cache), 'unlink,unlinkat', n),
    ]);
    expectWhole(cache, `killed at ${n}`);
    await narrow(push(updated, '--name', 'new'));
    await narrow(collect(cache));
    expectWhole(cache, `killed at ${n}, next run`);
    await narrow(['cache', 'verify', cache, '--no-trust', '--no-contents']);
    remove(cache);
  }
});
