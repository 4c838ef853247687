import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteStringOf } from '../../src/bytes/byte-string.ts';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { collect } from '../../src/bytes/source.ts';
import { packNar } from '../../src/format/nar/pack.ts';
import { unpackNar } from '../../src/format/nar/unpack.ts';
import { directorySink } from '../../src/fs/directory-sink.ts';
import { removeTree } from '../../src/fs/remove.ts';
import { localTree } from '../../src/fs/tree.ts';
import { packed, trees } from '../format/nar/trees.ts';
import { tempDir } from '../lab/temp.ts';

const path = (...names: string[]): ByteString[] => names.map(byteStringOf);

test('random trees: onto the disk and back, names of any bytes', async () => {
  const dir = tempDir('tree');
  let count = 0;
  await fc.assert(
    fc.asyncProperty(trees, fc.boolean(), async (tree, canonical) => {
      const nar = await packed(tree);
      const root = join(dir, `t${count++}`);
      await unpackNar([nar], directorySink(root, { canonical }));
      assert.ok((await collect(packNar(localTree(root)))).equals(nar));
      removeTree(root);
    }),
    { numRuns: 80, interruptAfterTimeLimit: 3000 },
  );
});

test('files that are read side by side do not disturb each other', () => {
  const dir = tempDir('tree');
  const size = 600_000;
  for (const name of ['a', 'b']) writeFileSync(join(dir, name), Buffer.alloc(size, name));
  const tree = localTree(dir);
  // one that is left half-way, too
  for (const chunk of tree.read(path('a'))) if (chunk.length > 0) break;
  const [one, other] = [tree.read(path('a')), localTree(dir).read(path('b'))];
  const others = other[Symbol.iterator]();
  let seen = 0;
  for (const chunk of one) {
    const beside = others.next().value as Uint8Array;
    assert.ok(chunk.every((byte) => byte === 0x61) && beside.every((byte) => byte === 0x62));
    seen += chunk.length;
  }
  assert.equal(seen, size);
});

test('stat, list and read at random', async () => {
  const dir = tempDir('tree');
  mkdirSync(join(dir, 'd'));
  writeFileSync(join(dir, 'd/f'), '0123456789', { mode: 0o744 });
  linkSync(join(dir, 'd/f'), join(dir, 'd/hard'));
  symlinkSync('d/f', join(dir, 'l'));
  const tree = localTree(Buffer.from(dir));
  assert.deepEqual(tree.stat(path('d', 'f')), { type: 'regular', size: 10, executable: true });
  assert.deepEqual(tree.stat(path('l')), { type: 'symlink', target: 'd/f' });
  assert.equal(tree.stat(path('nothing')), undefined);
  assert.equal(tree.stat(path('d', 'f', 'x')), undefined);
  assert.deepEqual(tree.list(path()), ['d', 'l']);
  assert.equal((await collect(tree.read(path('d', 'f'), { offset: 3, length: 4 }))).toString(), '3456');
  assert.equal((await collect(tree.read(path('d', 'f'), { offset: 8 }))).toString(), '89');
  await assert.rejects(
    collect(tree.read(path('d', 'f'), { offset: 8, length: 5 })),
    /shorter than expected: wanted 5 bytes from 8, got 2/,
  );
  await assert.rejects(collect(tree.read(path('l'))), {
    code: 'io',
    message: /cannot open .*\/l: a symbolic link stands in the way/,
  });
});

test('a file that changes while it is packed is an error', async () => {
  const dir = tempDir('tree');
  for (const change of [appendFileSync, (file: string): void => truncateSync(file, 5)]) {
    const file = join(dir, 'big');
    writeFileSync(file, Buffer.alloc(1_000_000));
    const packing = async (): Promise<void> => {
      let seen = 0;
      for await (const chunk of packNar(localTree(dir))) {
        if (seen === 0) change(file, 'more');
        seen += chunk.length;
      }
    };
    await assert.rejects(packing(), {
      code: 'integrity',
      message: /\/big changed while it was read: expected 1000000 bytes, got /,
    });
  }
});

test('what a NAR cannot hold is refused by name, and a fifo does not block', async () => {
  const dir = tempDir('tree');
  execFileSync('mkfifo', [join(dir, 'pipe')]);
  await assert.rejects(collect(packNar(localTree(dir))), {
    code: 'refused',
    message: /\/pipe is a fifo: a NAR holds only/,
  });
  await assert.rejects(collect(packNar(localTree('/dev/null'))), { message: /\/dev\/null is a device/ });
  await assert.rejects(collect(packNar(localTree(join(dir, 'none')))), { code: 'missing' });
});

test('only the owner’s execute bit counts', async () => {
  const dir = tempDir('tree');
  const file = join(dir, 'f');
  writeFileSync(file, '');
  for (const [mode, executable] of [
    [0o477, false],
    [0o500, true],
    [0o644, false],
    [0o7755, true],
  ] as const) {
    chmodSync(file, mode);
    assert.deepEqual(localTree(file).stat([]), { type: 'regular', size: 0, executable });
  }
});
