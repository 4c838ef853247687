import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { before, test } from 'node:test';
import { closure, copyOfStore } from '../lab/closures.ts';
import type { Closure } from '../lab/closures.ts';
import { nix } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { command, environment, fails, narrow } from './narrow.ts';

let basic: Closure;

before(async () => {
  basic = await closure('basic');
});

const json = (text: string): unknown => JSON.parse(text);

test('show prints what every Nix prints, one and all', async () => {
  const shown = async (...args: string[]): Promise<unknown> =>
    json((await narrow(['drv', 'show', '--store', basic.root, ...args, basic.drv])).stdout);
  for (const flags of [[], ['-r']]) {
    const old = await nix('2.8').nix('show-derivation', '--store', basic.root, ...flags, basic.drv);
    assert.deepEqual(await shown('--shape', 'old', ...flags), json(old));
    const middle = await nix('2.26').nix('derivation', 'show', '--store', basic.root, ...flags, basic.drv);
    assert.deepEqual(await shown('--shape', 'middle', ...flags), json(middle));
    const current = nix('current');
    if (current.label === '2.26') continue;
    assert.deepEqual(
      await shown(...flags),
      json(await current.nix('derivation', 'show', '--store', basic.root, ...flags, basic.drv)),
    );
  }
});

test('on a terminal the JSON is indented', async () => {
  const args = ['drv', 'show', '--store', basic.root, basic.drv];
  const words = [command, ...args].join(' ');
  const { stdout } = await run(['script', '-qec', words, '/dev/null'], { env: environment() });
  assert.match(stdout, /^\{\r\n  "derivations": \{\r\n/);
  const piped = (await narrow(args)).stdout;
  assert.equal(piped.split('\n').length, 2);
  assert.deepEqual(json(stdout), json(piped));
});

test('an output means its deriver, a file outside of stores needs none, and --aterm is the text', async () => {
  const args = ['drv', 'show', '--store', basic.root];
  const byDrv = (await narrow([...args, basic.drv])).stdout;
  assert.equal((await narrow([...args, basic.top])).stdout, byDrv);
  const file = join(tempDir('drv'), basename(basic.drv));
  copyFileSync(join(basic.root, basic.drv), file);
  assert.equal((await narrow(['drv', 'show', file])).stdout, byDrv);
  const whole = Object.keys(
    (json((await narrow([...args, '-r', basic.drv])).stdout) as { derivations: object }).derivations,
  );
  assert.equal(whole.length, basic.drvs.filter((path) => path.endsWith('.drv')).length);
  const { bytes } = await narrow([...args, '--aterm', basic.drv]);
  assert.ok(bytes.equals(readFileSync(file)));
});

test('what is no derivation, and what is not the derivation that its path says', async () => {
  assert.match(
    await fails(1, ['drv', 'show', '--store', basic.root, `/nix/store/${'0'.repeat(32)}-x.drv`]),
    /does not have/,
  );
  assert.match(await fails(1, ['drv', 'show', join(import.meta.dirname, 'drv.test.ts')]), /offset 0 .*Derive/);
  assert.match(await fails(2, ['drv', 'show', '--shape', 'round', basic.drv]), /unknown shape/);
  const changed = await copyOfStore(basic.root);
  const file = join(changed, basic.drv);
  writeFileSync(file, readFileSync(file, 'latin1').replace('x86_64', 'x86_65'), 'latin1');
  assert.match(await fails(1, ['drv', 'show', '--store', changed, basic.drv]), /is not its own/);
});
