import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';

const dir = tempDir('hash');
const file = join(dir, 'file');
const tree = join(dir, 'tree');

before(() => {
  writeFileSync(file, 'hello world\n');
  mkdirSync(join(tree, 'bin'), { recursive: true });
  writeFileSync(join(tree, 'bin/run'), '#!/bin/sh\n');
  chmodSync(join(tree, 'bin/run'), 0o755);
  symlinkSync('bin/run', join(tree, 'link'));
});

test('files and trees hash as with nix hash, in every form', async () => {
  for (const kind of ['file', 'path']) {
    for (const form of ['--sri', '--base16', '--base32', '--base64']) {
      const args = ['hash', kind, '--type', 'sha512', form, kind === 'file' ? file : tree];
      assert.equal((await narrow(args)).stdout.trimEnd(), await nix('2.8').nix(...args), args.join(' '));
    }
  }
  const { stdout } = await narrow(['hash', 'file', '-'], { input: 'hello world\n' });
  assert.equal(stdout, 'sha256-qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc=\n');
});

test('convert reads and prints every form', async () => {
  const forms = {
    '--base16': 'a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447',
    '--base32': '0ix4jahrkll5zg01wandq78jw3ab30q4nscph67rniqg5x7r0j59',
    '--base64': 'qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc=',
    '--sri': 'sha256-qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc=',
  };
  const all = Object.values(forms);
  for (const [form, text] of Object.entries(forms)) {
    const { stdout } = await narrow(['hash', 'convert', '--hash-algo', 'sha256', form, ...all]);
    assert.equal(stdout, `${text}\n`.repeat(4), form);
  }
  const json = await narrow(['hash', 'convert', '--json', '--base16', forms['--sri']]);
  assert.deepEqual(JSON.parse(json.stdout), { [forms['--sri']]: forms['--base16'] });
});

test('what cannot be hashed or read is said, with the exit status of its kind', async () => {
  assert.match(await fails(1, ['hash', 'convert', 'sha256:abc']), /bad hash 'sha256:abc': expected .*base-32/);
  assert.match(await fails(1, ['hash', 'file', dir]), /it is a directory/);
  assert.match(await fails(2, ['hash', 'file', '--base16', '--sri', file]), /exclude each other/);
  assert.match(await fails(2, ['hash', 'file', '--hash-algo', 'crc32', file]), /unknown hash function 'crc32'/);
});
