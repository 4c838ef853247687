// Files that others write, named as bundles: recognised by what is in them, applied, read as stores.

import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure, keyPair } from '../lab/closures.ts';
import { freshStore, nix, nixes } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';

const local = (root: string): string => `local?root=${root}`;
const apply = (root: string, ...args: string[]): ReturnType<typeof narrow> =>
  narrow(['bundle', 'apply', '--to', local(root), ...args]);

async function expectWhole(root: string, top: string, paths: readonly string[]): Promise<void> {
  assert.equal(await nix('2.8').complaints(root), undefined);
  assert.equal((await nix('2.8').store(root, '-qR', top)).split('\n').length, paths.length);
}

test('export streams, however they are compressed and called', async () => {
  const { root, top, paths } = await closure('basic');
  const dir = tempDir('export');
  const plain = join(dir, 'plain');
  await run(
    ['sh', '-c', '"$@" > "$0"', plain, join(nix('2.8').bin, 'nix-store'), '--store', root, '--export', ...paths],
    {
      env: nix('2.8').env(),
    },
  );
  for (const program of ['cat', 'gzip', 'zstd', 'xz', 'bzip2']) {
    const file = join(dir, `by-${program}`);
    await run(['sh', '-c', '"$2" < "$0" > "$1"', plain, file, program]);
    const shown = JSON.parse((await narrow(['bundle', 'show', '--json', file])).stdout) as Record<string, unknown>;
    assert.deepEqual([shown['kind'], shown['roots']], ['export', [top]]);
  }
  const island = await freshStore();
  await apply(island, '--no-check-sigs', join(dir, 'by-zstd'));
  await expectWhole(island, top, paths);
  assert.match(await fails(1, ['bundle', 'apply', '--to', local(await freshStore()), plain]), /signature/);
});

test('a static cache in a tar archive keeps its signatures', async () => {
  const { root, top, paths } = await closure('signed');
  const { publicKey, name } = await keyPair('lab-1');
  const [dir, island] = [tempDir('tar'), await freshStore()];
  for (const which of nixes()) {
    const cache = join(dir, which.label);
    await which.nix('copy', '--from', root, '--to', `file://${cache}`, top);
    const file = `${cache}.archive`;
    await run(['tar', '-c', '-f', file, '-C', dir, which.label]);
    const shown = JSON.parse((await narrow(['bundle', 'show', '--json', file])).stdout) as Record<string, string[]>;
    assert.ok(shown['keys']!.includes(name));
    const info = await narrow(['info', '--json', '--store', `bundle:${file}`, top]);
    assert.match(info.stdout, new RegExp(name));
    await apply(island, '--trusted-public-key', publicKey, file);
  }
  await expectWhole(island, top, paths);
});

test('what is missing is told at once', async () => {
  const { root, paths, top } = await closure('basic');
  const dir = tempDir('part');
  const file = join(dir, 'part');
  await run(['sh', '-c', '"$@" > "$0"', file, join(nix('2.8').bin, 'nix-store'), '--store', root, '--export', top], {
    env: nix('2.8').env(),
  });
  const island = await freshStore();
  const said = await fails(1, ['bundle', 'apply', '--no-check-sigs', '--to', local(island), file]);
  assert.match(said, /neither in .* nor in/);
  const shown = JSON.parse((await narrow(['bundle', 'show', '--json', file])).stdout) as Record<string, string[]>;
  assert.ok(shown['needs']!.length > 0 && shown['needs']!.every((path) => paths.includes(path)));
});

test('derivations as they lie in the store, and as JSON of every shape', async () => {
  const { root, named, drvs } = await closure('basic');
  const drv = (await nix('2.8').store(root, '-q', '--deriver', named['libc']!)).trim();
  const dir = tempDir('drv');
  const text = join(dir, drv.slice('/nix/store/'.length));
  copyFileSync(join(root, drv), text);
  assert.ok(drvs.includes(drv));
  const inputs = (await nix('2.8').store(root, '-qR', drv)).split('\n').filter((path) => path !== drv);
  const files = [text];
  for (const shape of ['old', 'middle', 'new']) {
    const json = join(dir, `${shape}.json`);
    writeFileSync(json, (await narrow(['drv', 'show', '--shape', shape, '--store', local(root), drv])).stdout);
    files.push(json);
  }
  for (const file of files) {
    const island = await freshStore();
    if (inputs.length > 0) {
      assert.match(await fails(1, ['bundle', 'apply', '--to', local(island), file]), /neither in .* nor in/);
      await narrow(['copy', '--no-check-sigs', '--from', local(root), '--to', local(island), ...inputs]);
    }
    await apply(island, file);
    assert.equal(await nix('2.8').complaints(island), undefined);
    assert.deepEqual(readFileSync(join(island, drv)), readFileSync(join(root, drv)));
  }
  const forged = join(dir, 'forged.json');
  writeFileSync(forged, readFileSync(files[1]!, 'utf8').replace('"builder":"/', '"builder":"/x'));
  assert.match(await fails(1, ['bundle', 'apply', '--to', local(await freshStore()), forged]), /whose path is/);
});

test('what is no bundle, or says too little', async () => {
  const { root, top } = await closure('basic');
  const dir = tempDir('other');
  const [nar, junk] = [join(dir, 'nar'), join(dir, 'junk')];
  writeFileSync(
    nar,
    Buffer.from((await run(['sh', '-c', `nix-store --dump "$0" | base64`, join(root, top)])).stdout, 'base64'),
  );
  writeFileSync(junk, 'junk');
  const island = local(await freshStore());
  assert.match(await fails(2, ['bundle', 'apply', '--to', island, nar]), /narrow import --path/);
  assert.match(await fails(1, ['bundle', 'apply', '--to', island, junk]), /not a bundle/);
});
