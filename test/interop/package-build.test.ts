// nix/package.nix built by an old and by the current Nix, out of this checkout's node_modules instead of npm's tarballs. The
// build ends with a copy into a cache and back (installCheckPhase).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { freshStore, inMountedStore, nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { projectDir } from '../lab/temp.ts';
import { packageIn, placeOf, standIn } from './nixpkgs/stand-in.ts';

const { version } = JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8')) as { version: string };
const system = process.arch === 'x64' ? 'x86_64-linux' : 'aarch64-linux';

for (const one of new Set([nix('2.8'), nix('current')])) {
  test(`Nix ${one.label} builds narrow, and it runs`, async () => {
    const root = await freshStore();
    const inStore = async (...argv: string[]): Promise<string> =>
      (await run([...inMountedStore(root), ...argv], { env: one.env() })).stdout.trim();
    const expression = packageIn(standIn(), system, `nodeModules = "${projectDir}/node_modules";`);
    const out = await inStore(join(one.bin, 'nix-build'), '--no-out-link', '-E', expression);
    assert.equal(await inStore(`${out}/bin/narrow`, '--version'), version);
    const libraries = ['bzip2', 'lz4', 'xz', 'zstd'].map((name) => `${placeOf(name)}/lib`).join(':');
    assert.ok(readFileSync(join(root, out, 'bin/narrow'), 'utf8').includes(libraries));
  });
}
