import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { collect } from '../../src/bytes/source.ts';
import { openInput } from '../../src/fs/input.ts';

const dir = mkdtempSync(join(tmpdir(), 'narrow-input-'));
after(() => rmSync(dir, { recursive: true }));

test('a file is read whole and in parts, any number of times', async () => {
  const bytes = Buffer.alloc(600_001, 'abcdefg');
  writeFileSync(join(dir, 'file'), bytes);
  await using input = await openInput(join(dir, 'file'));
  assert.equal(input.file?.size, bytes.length);
  for (let i = 0; i < 2; i++) assert.deepEqual(await collect(input.read()), bytes);
  assert.deepEqual(await collect(input.file.range(300_000, 280_000)), bytes.subarray(300_000, 580_000));
  assert.deepEqual(await collect(input.file.range(600_000, 100)), bytes.subarray(600_000));
});

test('what is no regular file can only be read through', async () => {
  await using input = await openInput('/dev/null');
  assert.equal(input.file, undefined);
  assert.equal((await collect(input.read())).length, 0);
});

test('failures name the file', async () => {
  await assert.rejects(openInput(join(dir, 'absent')), { code: 'io', message: /absent: no such file/ });
  await using input = await openInput(dir);
  await assert.rejects(collect(input.read()), { code: 'io', message: /it is a directory/ });
});
