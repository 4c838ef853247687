// Tar archives: ours read by GNU tar, those of GNU tar in all its formats read by us, hostile ones.

import assert from 'node:assert/strict';
import { linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { collect } from '../../src/bytes/source.ts';
import { NarrowError } from '../../src/errors.ts';
import { isTar, tarBlock, tarEnd, tarFiles, tarHeader, tarPadding } from '../../src/format/tar.ts';
import type { TarBytes, TarFile } from '../../src/format/tar.ts';
import { run } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';

function bytesOf(all: Buffer): TarBytes {
  return { name: 'x.tar', size: all.length, range: (offset, length) => [all.subarray(offset, offset + length)] };
}

function packed(files: Readonly<Record<string, Buffer>>): Buffer {
  const parts = Object.entries(files).flatMap(([name, contents]) => [
    tarHeader(name, contents.length),
    contents,
    tarPadding(contents.length),
  ]);
  return Buffer.concat([...parts, tarEnd]);
}

async function contentsOf(bytes: TarBytes): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name, offset, size } of tarFiles(bytes))
    found[name] = (await collect(bytes.range(offset, size))).toString('latin1');
  return found;
}

test('GNU tar unpacks what is written', async () => {
  const dir = tempDir('tar');
  const files = { a: Buffer.from('x'), 'nar/b': Buffer.alloc(512, 1), 'nar/empty': Buffer.alloc(0) };
  writeFileSync(join(dir, 'x.tar'), packed(files));
  const { stderr } = await run(['tar', '-x', '-f', join(dir, 'x.tar'), '-C', dir]);
  assert.equal(stderr, '');
  for (const [name, contents] of Object.entries(files)) assert.deepEqual(readFileSync(join(dir, name)), contents);
});

test('what GNU tar packs is read', async () => {
  const dir = tempDir('gnu-tar');
  const long = `${'d'.repeat(60)}/${'e'.repeat(60)}/${'f'.repeat(90)}`;
  const files = { 'nix-cache-info': 'StoreDir: /nix/store\n', 'a/b': 'c'.repeat(700), [long]: 'long' };
  for (const [name, contents] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), contents);
  }
  linkSync(join(dir, 'a/b'), join(dir, 'z'));
  symlinkSync('a/b', join(dir, 'link'));
  for (const format of ['gnu', 'pax', 'ustar', 'oldgnu']) {
    const { stdout } = await run(['sh', '-c', `cd "$0" && tar -c --format ${format} * | base64`, dir]);
    const archive = Buffer.from(stdout, 'base64');
    assert.ok(isTar(archive));
    assert.deepEqual(await contentsOf(bytesOf(archive)), { ...files, z: files['a/b'] }, format);
  }
});

test('files of more than 8 GiB', async () => {
  const size = 9 * 2 ** 30 + 7;
  const header = tarHeader('big', size);
  const range = (offset: number, length: number): Buffer[] => [offset === 0 ? header : Buffer.alloc(length)];
  const found: TarFile[] = [];
  for await (const file of tarFiles({ name: 'x', size: size + 4 * tarBlock, range })) found.push(file);
  assert.deepEqual(found, [{ name: 'big', offset: tarBlock, size }]);
});

test('an archive that was cut is refused, wherever', async () => {
  const whole = packed({ a: Buffer.from('abc'), b: Buffer.alloc(600) });
  for (const end of [0, 100, tarBlock, tarBlock + 2, 2 * tarBlock, 4 * tarBlock, whole.length - 2 * tarBlock])
    await assert.rejects(contentsOf(bytesOf(whole.subarray(0, end))), { code: 'format' });
});

test('any damage gives files within the archive, or a format error', async () => {
  const whole = packed({ a: Buffer.from('abc'), 'nar/b': Buffer.alloc(600), c: Buffer.alloc(1) });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1 }), async (changes) => {
      const bad = Buffer.from(whole);
      for (const [at, value] of changes) bad[at] = value;
      try {
        for await (const { offset, size } of tarFiles(bytesOf(bad))) assert.ok(offset + size <= bad.length);
      } catch (error) {
        assert.ok(error instanceof NarrowError && error.code === 'format', String(error));
      }
    }),
    { numRuns: 300 },
  );
});
