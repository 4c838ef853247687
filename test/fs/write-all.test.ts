import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeAll } from '../../src/fs/write-all.ts';
import { scribbling, scribblingLater } from '../bytes/scribble.ts';
import { projectDir, tempDir } from '../lab/temp.ts';

test('writes what the source had, in order, though its chunks are used again', async () => {
  const file = join(tempDir('write'), 'out');
  const bytes = Buffer.from(Uint32Array.from({ length: 5_000_000 }, (_, i) => i).buffer);
  for (const source of [scribbling(bytes, 777_777), scribblingLater(bytes, 3_000_000), [] as Uint8Array[]]) {
    const expected = Array.isArray(source) ? Buffer.alloc(0) : bytes;
    const fd = openSync(file, 'w');
    assert.equal(await writeAll(source, fd, file), expected.length);
    closeSync(fd);
    assert.ok(readFileSync(file).equals(expected));
  }
});

test('a failing write releases the source and is told', async () => {
  const fd = openSync('/dev/full', 'w');
  let released = false;
  function* endless(): Generator<Uint8Array, void, undefined> {
    try {
      for (;;) yield Buffer.alloc(100_000);
    } finally {
      released = true;
    }
  }
  await assert.rejects(writeAll(endless(), fd, 'the output'), {
    code: 'io',
    message: 'cannot write the output: no space left on the device',
  });
  assert.ok(released);
  closeSync(fd);
});

test('into pipes and sockets that Node made non-blocking, with a slow reader', () => {
  const program = `
    import { writeAll } from ${JSON.stringify(join(projectDir, 'src/fs/write-all.ts'))};
    process.stdout.isTTY;
    const source = Array.from({ length: 30 }, (_, i) => Buffer.alloc(100_000, i));
    console.error(await writeAll(source, 1, 'standard output'));`;
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program];
  const expected = Buffer.concat(Array.from({ length: 30 }, (_, i) => Buffer.alloc(100_000, i)));
  // Children of Node have sockets for pipes; those of a shell have pipes.
  for (const argv of [node, ['sh', '-c', '"$@" | { sleep 0.2; cat; }', 'sh', ...node]]) {
    const result = spawnSync(argv[0]!, argv.slice(1), { maxBuffer: 1 << 24 });
    assert.equal(result.stderr.toString(), '3000000\n');
    assert.ok(result.stdout.equals(expected));
  }
});

test('signals are heard between pieces', async () => {
  const fd = openSync('/dev/null', 'w');
  const controller = new AbortController();
  setImmediate(() => controller.abort());
  function* source(): Generator<Uint8Array, void, undefined> {
    for (;;) {
      controller.signal.throwIfAborted();
      yield Buffer.alloc(1 << 20);
    }
  }
  await assert.rejects(writeAll(source(), fd, 'nothing'), { name: 'AbortError' });
  closeSync(fd);
});
