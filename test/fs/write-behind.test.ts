import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeBehind } from '../../src/fs/write-behind.ts';
import { scribbling, scribblingLater } from '../bytes/scribble.ts';
import { tempDir } from '../lab/temp.ts';

test('writes what the source had, in order, though its chunks are used again', async () => {
  const file = join(tempDir('write'), 'out');
  const bytes = Buffer.from(Uint32Array.from({ length: 2_000_000 }, (_, i) => i).buffer);
  for (const source of [scribbling(bytes, 77_777), scribblingLater(bytes, 3_000_000), [] as Uint8Array[]]) {
    const fd = openSync(file, 'w');
    const written = await writeBehind(source, fd, file);
    closeSync(fd);
    assert.equal(written, Array.isArray(source) ? 0 : bytes.length);
    assert.ok(readFileSync(file).equals(Array.isArray(source) ? Buffer.alloc(0) : bytes));
  }
});

test('a failing write stops the source and is told', async () => {
  const fd = openSync('/dev/full', 'w');
  let released = false;
  function* endless(): Generator<Uint8Array, void, undefined> {
    try {
      for (;;) yield Buffer.alloc(100_000);
    } finally {
      released = true;
    }
  }
  await assert.rejects(writeBehind(endless(), fd, 'the output'), {
    code: 'io',
    message: 'cannot write the output: no space left on the device',
  });
  assert.ok(released);
  closeSync(fd);
});

test('a failing source is told, and nothing is written afterwards', async () => {
  const file = join(tempDir('write'), 'out');
  const fd = openSync(file, 'w');
  function* broken(): Generator<Uint8Array, void, undefined> {
    yield Buffer.alloc(5_000_000);
    throw new Error('broken');
  }
  await assert.rejects(writeBehind(broken(), fd, file), /broken/);
  const size = readFileSync(file).length;
  closeSync(fd);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(readFileSync(file).length, size);
});
