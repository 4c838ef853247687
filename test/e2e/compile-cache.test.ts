// Compiled code is kept between runs, for a fast start, where nobody else could put other code in its place.

import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempDir } from '../lab/temp.ts';
import { narrow } from './narrow.ts';

function places(): { home: string; tmp: string; env: NodeJS.ProcessEnv } {
  const dir = tempDir('compiled');
  const [home, tmp] = [join(dir, 'home'), join(dir, 'tmp')];
  for (const place of [home, tmp]) mkdirSync(place);
  return { home, tmp, env: { HOME: home, TMPDIR: tmp } };
}

test("in the user's cache directory, and never among temporary files", async () => {
  const { home, tmp, env } = places();
  await narrow(['--version'], { env });
  assert.ok(readdirSync(join(home, '.cache/narrow/node')).length > 0);
  assert.deepEqual(readdirSync(tmp), []);
});

test('not below a home that others may write, nor where there is none', async () => {
  const { home, tmp, env } = places();
  chmodSync(home, 0o777);
  await narrow(['--version'], { env });
  assert.ok(!existsSync(join(home, '.cache')));
  await narrow(['--version'], { env: { ...env, HOME: '/nonexistent' } });
  await narrow(['--version'], { env: { ...env, HOME: '' } });
  assert.deepEqual(readdirSync(tmp), []);
});
