// Build logs that Nix put into a cache: kept as long as Nix finds them there.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { age } from '../cache/small-caches.ts';
import { closure } from '../lab/closures.ts';
import { nix, nixes } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { narrow } from './narrow.ts';

test('gc removes the logs of what it removes, and verify asks nothing of them', async () => {
  const { root, top, named } = await closure('basic');
  const dir = join(tempDir('cache-logs'), 'cache');
  await narrow(['push', dir, '--from', root, '--name', 'all', top]);
  await narrow(['push', dir, '--from', root, named['libc']!]);
  const two = [named['libc']!, named['hello']!];
  await nix('2.26').run('nix', ['store', 'copy-log', '--from', root, '--to', `file://${dir}`, ...two]);
  const found = (): Promise<boolean[]> =>
    Promise.all(
      two.map(async (path) => {
        const args = ['log', '--store', `file://${dir}`, path];
        const ends = await Promise.all(nixes().map((one) => one.run('nix', args, { mayFail: true })));
        return ends.every(({ status }) => status === 0);
      }),
    );
  assert.deepEqual(await found(), [true, true]);
  const checked = JSON.parse((await narrow(['cache', 'verify', dir, '--no-trust', '--json'])).stdout) as Record<
    string,
    unknown
  >;
  assert.deepEqual([checked['problems'], checked['leftovers']], [[], { files: 0, bytes: 0 }]);
  await narrow(['cache', 'pin', dir, '--as', 'libc', named['libc']!]);
  age(dir, 48 * 3_600_000);
  await narrow(['push', dir, '--from', root, '--name', 'all', named['libc']!]);
  const { stdout } = await narrow(['cache', 'gc', dir, '--keep-generations', '1', '--json']);
  const { leftovers } = JSON.parse(stdout) as { leftovers: { file: string }[] };
  assert.deepEqual(
    leftovers.map(({ file }) => file.replace(/^log\/.{33}/, '')),
    ['hello-1.0.drv'],
  );
  assert.deepEqual(await found(), [true, false]);
});
