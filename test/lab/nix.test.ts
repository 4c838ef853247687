import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure, copyOfStore, keyPair } from './closures.ts';
import type { ClosureName } from './closures.ts';
import { generate } from './generate.ts';
import { freshStore, nix, nixes } from './nix.ts';
import { run } from './run.ts';
import { tempDir } from './temp.ts';

const names: readonly ClosureName[] = ['basic', 'rebuilt', 'updated', 'ca', 'signed'];

test('2.8, 2.26 and, where it is found, the current Nix run with a configuration of their own', async () => {
  assert.deepEqual(
    nixes()
      .slice(0, 2)
      .map((n) => n.label),
    ['2.8', '2.26'],
  );
  for (const one of nixes()) {
    assert.match(
      (await one.run('nix-store', ['--version'])).stdout,
      new RegExp(`^nix-store \\(Nix\\) ${one.label}\\.`),
    );
    const shown = JSON.parse(
      await one.nix('show-config', '--json').catch(() => one.nix('config', 'show', '--json')),
    ) as Record<string, { value: unknown }>;
    assert.deepEqual(shown['substituters']?.value, []);
    assert.equal(shown['build-users-group']?.value, '');
  }
});

for (const name of names) {
  test(`closure ${name} is clean for every Nix`, async () => {
    const { root, paths, top, drvs } = await closure(name);
    assert.equal(paths.at(-1), top);
    assert.ok(drvs.length > 0);
    const copy = await copyOfStore(root);
    for (const one of nixes()) assert.equal(await one.complaints(copy), undefined, one.label);
  });
}

test('every Nix builds in a store of its own', async () => {
  const expression =
    'derivation { name = "x"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo hi > $out" ]; }';
  for (const one of nixes()) {
    const store = await freshStore();
    const drv = (await one.run('nix-instantiate', ['-E', expression], { store, mounted: true })).stdout.trim();
    const out = (await one.run('nix-store', ['-r', drv], { store, mounted: true })).stdout.trim();
    assert.equal(
      await one.store(store, '-q', '--hash', out),
      'sha256:1xmr8jicvzszfzpz46g37mlpvbzjl2wpwvl2b05psipssyp1sm8h',
    );
  }
});

test('programs of the closure run, and find their libraries in it', async () => {
  const { root, top } = await closure('basic');
  const script = 'mount --bind "$0/nix" /nix; "$1/sw/bin/greet"; ldd "$1/sw/bin/bash" | grep -c "=> /nix/store"';
  const { stdout } = await run(['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', script, root, top]);
  assert.match(stdout, /^hello from \/nix\/store\/.*\/bin\/bash\nhello 1\.0\n2\n$/);
});

test('a rebuilt closure differs in nothing but hashes', async () => {
  const [basic, rebuilt] = [await closure('basic'), await closure('rebuilt')];
  const { libc: old = '', odd: oldOdd = '' } = basic.named;
  const { libc = '', odd = '' } = rebuilt.named;
  assert.notEqual(libc, old);
  const dump = async (root: string, path: string): Promise<Buffer> =>
    (await nix('2.8').run('nix-store', ['--dump', join(root, path)])).bytes;
  const translated = (await dump(basic.root, old)).toString('latin1').replaceAll(old, libc);
  assert.equal(translated, (await dump(rebuilt.root, libc)).toString('latin1'));
  assert.equal((await dump(basic.root, oldOdd)).length, (await dump(rebuilt.root, odd)).length);
});

test('the signed closure verifies with its key and with no other', async () => {
  const { root, top } = await closure('signed');
  const [right, wrong] = [await keyPair('lab-1'), await keyPair('lab-3')];
  for (const { publicKey, status } of [
    { ...right, status: 0 },
    { ...wrong, status: 2 },
  ]) {
    const conf = `trusted-public-keys = ${publicKey}\n`;
    const args = ['store', 'verify', '--store', root, '--recursive', '--sigs-needed', '1', '--no-contents', top];
    assert.equal((await nix('2.8').run('nix', args, { conf, mayFail: true })).status, status);
  }
});

test('a generated store of 500 paths is clean, and a broken one is not', async () => {
  const root = tempDir('generated');
  const paths = await generate(root, { paths: 500 });
  assert.equal(await nix('current').complaints(root), undefined);
  const again = tempDir('generated');
  assert.deepEqual(await generate(again, { paths: 500 }), paths);
  await run(['chmod', 'u+w', join(root, paths[3] as string)]);
  writeFileSync(join(root, paths[3] as string, 'more'), 'x');
  assert.match((await nix('2.8').complaints(root)) ?? '', /was modified/);
});
