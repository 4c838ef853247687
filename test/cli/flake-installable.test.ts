// Which words are installables of flakes, and which are paths.

import assert from 'node:assert/strict';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildInstallables, isFlakeInstallable } from '../../src/cli/flake-installable.ts';
import { tempDir } from '../lab/temp.ts';

test('a word with # that is no file', async () => {
  const dir = tempDir('words');
  writeFileSync(join(dir, 'a#b'), '');
  symlinkSync('/nowhere', join(dir, 'c#d'));
  for (const word of ['.#', '.#hello', 'nixpkgs#hello^dev', 'github:a/b?ref=c#d', `./${'x'.repeat(300)}#y`])
    assert.ok(isFlakeInstallable(word), word);
  for (const word of ['./result', 'X.drv^out', join(dir, 'a#b'), join(dir, 'c#d')])
    assert.ok(!isFlakeInstallable(word), word);
  const paths = ['./result', join(dir, 'c#d')];
  assert.equal(await buildInstallables(paths, 'ssh://pi', new AbortController().signal), paths);
});
