import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { collect } from '../../src/bytes/source.ts';
import type { ByteSource } from '../../src/bytes/source.ts';
import { packNar } from '../../src/format/nar/pack.ts';
import { Output } from '../../src/fs/output.ts';
import { localTree } from '../../src/fs/tree.ts';
import { scribbling, scribblingLater } from '../bytes/scribble.ts';
import { projectDir, tempDir } from '../lab/temp.ts';

/** A thread is started at once, or never. */
const worths = [0, Infinity];

async function writeAll(source: ByteSource, fd: number, name: string, worth: number): Promise<number> {
  await using output = new Output(fd, name, worth);
  await output.writeAll(source);
  await output.finish();
  return output.written;
}

test('writes what the source had, in order, though its chunks are used again', async () => {
  const file = join(tempDir('write'), 'out');
  const bytes = Buffer.from(Uint32Array.from({ length: 5_000_000 }, (_, i) => i).buffer);
  const sources = [(): ByteSource => scribbling(bytes, 777_777), () => scribblingLater(bytes, 3_000_000), () => []];
  for (const [i, source] of sources.entries()) {
    const expected = i === 2 ? Buffer.alloc(0) : bytes;
    for (const worth of worths) {
      const fd = openSync(file, 'w');
      assert.equal(await writeAll(source(), fd, file, worth), expected.length);
      closeSync(fd);
      assert.ok(readFileSync(file).equals(expected));
    }
  }
});

for (const worth of worths)
  test(`a failing write releases the source and is told (${worth})`, async () => {
    const fd = openSync('/dev/full', 'w');
    let released = false;
    function* endless(): Generator<Uint8Array, void, undefined> {
      try {
        for (;;) yield Buffer.alloc(100_000);
      } finally {
        released = true;
      }
    }
    await assert.rejects(writeAll(endless(), fd, 'the output', worth), {
      code: 'io',
      message: 'cannot write the output: no space left on the device',
    });
    assert.ok(released);
    closeSync(fd);
  });

test('into pipes and sockets that Node made non-blocking, with a slow reader', () => {
  const program = `
    import { Output } from ${JSON.stringify(join(projectDir, 'src/fs/output.ts'))};
    process.stdout.isTTY;
    const output = new Output(1, 'standard output', Number(process.argv[1]));
    await output.writeAll(Array.from({ length: 60 }, (_, i) => Buffer.alloc(100_000, i)));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await output.writeAll(Array.from({ length: 60 }, (_, i) => Buffer.alloc(100_000, i + 60)));
    await output.finish();
    await output[Symbol.asyncDispose]();
    console.error(output.written);`;
  const options = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program];
  const expected = Buffer.concat(Array.from({ length: 120 }, (_, i) => Buffer.alloc(100_000, i)));
  for (const worth of worths) {
    const node = [process.execPath, ...options, String(worth)];
    // Children of Node have sockets for pipes; those of a shell have pipes.
    for (const argv of [node, ['sh', '-c', '"$@" | { sleep 0.2; cat; }', 'sh', ...node]]) {
      const result = spawnSync(argv[0]!, argv.slice(1), { maxBuffer: 1 << 25 });
      assert.equal(result.stderr.toString(), '12000000\n');
      assert.ok(result.stdout.equals(expected));
    }
  }
});

test('what is packed in the buffers of an output comes out as it is', async () => {
  const dir = tempDir('write');
  mkdirSync(join(dir, 'tree'));
  for (let i = 0; i < 300; i++) writeFileSync(join(dir, 'tree', `file-${i}`), Buffer.alloc(i * 997, `${i} `));
  for (const name of ['wide', 'wider']) writeFileSync(join(dir, 'tree', name), Buffer.alloc(30_000_000, name));
  const nar = await collect(packNar(localTree(join(dir, 'tree'))));
  for (const worth of worths) {
    const fd = openSync(join(dir, 'out'), 'w');
    await using output = new Output(fd, 'out', worth);
    // twice, since the thread has started by the second time
    for (let i = 0; i < 2; i++) await output.writeAll(packNar(localTree(join(dir, 'tree')), [], output.buffers));
    await output.finish();
    closeSync(fd);
    assert.ok(readFileSync(join(dir, 'out')).equals(Buffer.concat([nar, nar])));
  }
});

for (const worth of worths)
  test(`signals are heard between pieces (${worth})`, async () => {
    const fd = openSync('/dev/null', 'w');
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    function* source(): Generator<Uint8Array, void, undefined> {
      for (;;) {
        controller.signal.throwIfAborted();
        yield Buffer.alloc(1 << 20);
      }
    }
    await assert.rejects(writeAll(source(), fd, 'nothing', worth), { name: 'AbortError' });
    closeSync(fd);
  });
