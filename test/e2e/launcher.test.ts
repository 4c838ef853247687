// ./narrow finds its own place, however it is called.

import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { run } from '../lab/run.ts';
import { projectDir, tempDir } from '../lab/temp.ts';
import { environment } from './narrow.ts';

const launcher = join(projectDir, 'narrow');

async function version(argv: readonly string[], cwd: string, path = ''): Promise<string> {
  const env = environment();
  const result = await run(argv, { cwd, env: { ...env, PATH: path + env['PATH']! } });
  return result.stdout;
}

test('by its full name, through links, from its own directory and from the PATH', async () => {
  const expected = await version([launcher, '--version'], '/');
  assert.match(expected, /^\d+\.\d+\.\d+\n$/);
  const dir = tempDir('launcher');
  symlinkSync(launcher, join(dir, 'narrow'));
  symlinkSync('narrow', join(dir, 'again'));
  const shell = (text: string): string[] => ['sh', '-c', text];
  assert.equal(await version([join(dir, 'narrow'), '--version'], '/'), expected);
  assert.equal(await version(['./again', '--version'], dir), expected);
  assert.equal(await version(shell('narrow --version'), '/', `${dir}:`), expected);
  assert.equal(await version(shell('narrow --version'), '/', `${dirname(launcher)}:`), expected);
  assert.equal(await version(shell('narrow --version'), projectDir, ':'), expected);
  assert.equal(await version(['sh', 'narrow', '--version'], projectDir), expected);
});
