import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { freshStore, nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';

const dir = tempDir('add');
const old = nix('2.8');
const file = join(dir, 'tool');
const tree = join(dir, 'tree');

before(() => {
  writeFileSync(file, '#!/bin/sh\necho hello\n');
  chmodSync(file, 0o755);
  mkdirSync(join(tree, 'empty'), { recursive: true });
  writeFileSync(join(tree, 'file'), 'contents');
  symlinkSync('file', join(tree, 'link'));
});

/** Adds by `ours` to one store and by Nix's `theirs` to another: the path, its info and its files are to be the same. */
async function same(ours: readonly string[], theirs: readonly string[], what: string): Promise<void> {
  const [store, expected] = [await freshStore(), await freshStore()];
  const path = await old.store(expected, ...theirs, what);
  assert.equal((await narrow(['add', '--dry-run', ...ours, what])).stdout.trimEnd(), path);
  assert.equal((await narrow(['add', '--store', store, ...ours, what])).stdout.trimEnd(), path);
  assert.equal(await old.complaints(store), undefined);
  const info = async (root: string): Promise<unknown> => {
    const [one] = JSON.parse(await old.nix('path-info', '--json', '--store', root, path)) as Record<string, unknown>[];
    return { ...one, registrationTime: 0, ultimate: false };
  };
  const [got, wanted] = [await info(store), (await info(expected)) as { ca?: string }];
  // nix-store --add-fixed of 2.8 forgets the content address of flat files
  assert.deepEqual(got, { ...wanted, ca: wanted.ca ?? (got as { ca: string }).ca });
}

test('trees are added as by nix-store --add', () => same([], ['--add'], tree));
test('files, by NAR', () => same(['--nar'], ['--add'], file));
test('files, flat, executable or not', () => same(['--flat'], ['--add-fixed', 'sha256'], file));
test('files, flat, by md5', () => same(['--flat', '--hash-algo', 'md5'], ['--add-fixed', 'md5'], file));
test('trees by sha512', () => same(['--hash-algo', 'sha512'], ['--add-fixed', '--recursive', 'sha512'], tree));

test('a text with references is what builtins.toFile makes', async () => {
  const store = await freshStore();
  const leaf = join(dir, 'a.txt');
  writeFileSync(leaf, 'leaf A\n');
  const a = (await narrow(['add', '--text', '--store', store, leaf])).stdout.trimEnd();
  assert.equal(a, '/nix/store/iikppppyxclg6mfvbbg2bwmczvycf4sa-a.txt');
  writeFileSync(leaf, `refers to ${a}\n`);
  const args = ['add', '--text', '--store', store, '--name', 'b.txt', '--reference', a, '--json', leaf];
  const b = JSON.parse((await narrow(args)).stdout) as Record<string, unknown>;
  assert.equal(b['path'], '/nix/store/wvf8kazikiir4c9qp6z92w7p8z372shk-b.txt');
  assert.deepEqual([b['references'], b['status']], [[a], 'added']);
  assert.equal(JSON.parse((await narrow(args)).stdout).status, 'valid');
  assert.equal(await old.store(store, '-q', '--references', b['path'] as string), a);
});

test('into a cache, from which Nix takes it without a signature', async () => {
  const cache = `file://${join(dir, 'cache')}`;
  const path = (await narrow(['add', '--store', cache, tree])).stdout.trimEnd();
  const store = await freshStore();
  await old.nix('copy', '--from', cache, '--to', store, path);
  assert.equal(await old.complaints(store), undefined);
});

test('what cannot be added is told', async () => {
  const store = await freshStore();
  assert.match(await fails(2, ['add', '--dry-run', '--flat', tree]), /is a directory/);
  assert.match(await fails(2, ['add', '--dry-run', '--name', 'a b', file]), /cannot be the name/);
  assert.match(await fails(2, ['add', '--dry-run', '--flat', '--text', file]), /exclude each other/);
  assert.match(await fails(1, ['add', '--dry-run', join(dir, 'absent')]), /nothing at/);
  const missing = `/nix/store/${'0'.repeat(32)}-gone`;
  assert.match(await fails(1, ['add', '--store', store, '--reference', missing, file]), /gone/);
});
