// `make demo` is what people see first: it has to work, in less than a minute, and leave nothing behind.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { projectDir, tempDir } from '../lab/temp.ts';

test('the demo builds, plans, copies, serves, refuses, verifies, and Nix agrees', async () => {
  const tmp = tempDir('demo');
  const started = performance.now();
  const { stdout, stderr } = await run([process.execPath, join(projectDir, 'scripts/demo.ts')], {
    env: { ...nix('2.8').env(), TMPDIR: tmp, PATH: `${nix('2.8').bin}:${process.env['PATH']}` },
  });
  const said = stdout + stderr;
  for (const part of [
    /\d+ store paths, the root is \/nix\/store\//,
    /to copy \([\d.]+ [kM]B of NARs\)/,
    /copied \d+ paths/,
    /lacks a valid signature by a trusted key/,
    /the web server sent [\d.]+ MB/,
    /nothing to copy/,
    /\d+ paths, all as Nix wants them/,
    /Done in/,
  ])
    assert.match(said, part);
  assert.ok(performance.now() - started < 60_000);
  assert.deepEqual(readdirSync(tmp), []);
});
