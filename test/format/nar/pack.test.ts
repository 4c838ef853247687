import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteStringOf } from '../../../src/bytes/byte-string.ts';
import type { ByteString } from '../../../src/bytes/byte-string.ts';
import { collect } from '../../../src/bytes/source.ts';
import { memoryTree } from '../../../src/format/nar/memory-tree.ts';
import type { MemoryNode } from '../../../src/format/nar/memory-tree.ts';
import { packNar } from '../../../src/format/nar/pack.ts';
import type { FileTree, TreePath } from '../../../src/format/nar/tree.ts';
import { unpackNar } from '../../../src/format/nar/unpack.ts';
import { expectations, golden, packed, trees, unpacked } from './trees.ts';

const directory = (...entries: [string, MemoryNode][]): MemoryNode => ({
  type: 'directory',
  entries: new Map(entries as [ByteString, MemoryNode][]),
});
const file = (text: string): MemoryNode => ({ type: 'regular', executable: false, contents: Buffer.from(text) });
const link = (target: string): MemoryNode => ({ type: 'symlink', target: target as ByteString });

/** The same tree behind promises. */
function later(tree: FileTree): FileTree {
  return {
    stat: (path: TreePath) => Promise.resolve(tree.stat(path)),
    list: (path: TreePath) => Promise.resolve(tree.list(path)),
    async *read(path: TreePath) {
      yield* tree.read(path);
    },
  };
}

test('goldens: unpacked and packed again they are the same', async () => {
  for (const { file: name, current } of expectations) {
    if (current === 'reject' || name.startsWith('trailing')) continue;
    assert.deepEqual(await packed(await unpacked([golden(name)])), golden(name), name);
  }
});

test('a tree that answers later gives the same NAR', async () => {
  await fc.assert(
    fc.asyncProperty(trees, async (tree) => {
      assert.deepEqual(await collect(packNar(later(memoryTree(tree)))), await packed(tree));
    }),
    { numRuns: 50, interruptAfterTimeLimit: 2000 },
  );
});

test('a part of a tree', async () => {
  const tree = directory(['a', directory(['b', file('x')])]);
  const part = await collect(packNar(memoryTree(tree), [byteStringOf('a')]));
  assert.deepEqual(part, await packed(directory(['b', file('x')])));
  await assert.rejects(collect(packNar(memoryTree(tree), [byteStringOf('zz')])), /there is no \/zz in the tree/);
});

test('chunks stay small and memory constant however big a file is', async () => {
  const piece = Buffer.alloc(100_000);
  const tree: FileTree = {
    stat: () => ({ type: 'regular', size: 20_000 * piece.length, executable: false }),
    list: () => [],
    *read() {
      for (let i = 0; i < 20_000; i++) yield piece;
    },
  };
  let size = 0;
  let largest = 0;
  const before = process.memoryUsage().arrayBuffers;
  for await (const chunk of packNar(tree)) {
    size += chunk.length;
    largest = Math.max(largest, chunk.length);
  }
  assert.equal(size, 2_000_000_000 + 112);
  assert.ok(largest <= 300_000);
  assert.ok(process.memoryUsage().arrayBuffers - before < 5e6);
});

test('what could not be read back is not packed', async () => {
  const bad: [MemoryNode, RegExp][] = [
    [directory(['..', file('')]), /bad name of a directory entry in \/: expected neither/],
    [
      directory(['a', directory(['b/c', file('')])]),
      /bad name of a directory entry in \/a: expected no slash, got "b\/c"/,
    ],
    [directory(['x'.repeat(256), file('')]), /expected 1 to 255 bytes/],
    [directory(['l', link('')]), /bad symbolic link \/l/],
    [link('x'.repeat(4096)), /bad symbolic link/],
    [Array.from({ length: 64 }).reduce<MemoryNode>((inner) => directory(['d', inner]), file('')), /nested too deeply/],
  ];
  for (const [tree, message] of bad) await assert.rejects(packed(tree), message);
  const deepest = Array.from({ length: 63 }).reduce<MemoryNode>((inner) => directory(['d', inner]), file(''));
  assert.deepEqual(await packed(await unpacked([await packed(deepest)])), await packed(deepest));
});

test('a file that grew or shrank while it was read is an error', async () => {
  for (const contents of ['', 'hell', 'hello!']) {
    const tree: FileTree = {
      stat: () => ({ type: 'regular', size: 5, executable: false }),
      list: () => [],
      read: () => [Buffer.from(contents)],
    };
    await assert.rejects(collect(packNar(tree)), {
      code: 'integrity',
      message: /\/ changed while it was read: expected 5 bytes/,
    });
  }
});

test('bytes after a NAR are refused or ignored', async () => {
  await assert.rejects(unpacked([golden('trailing-junk.nar')]), /bytes after the end of the NAR at offset 120/);
  const sink = {
    directory() {},
    leave() {},
    regular() {},
    contents() {},
    closeRegular() {},
    symlink() {},
    finish() {},
    abort() {},
  };
  assert.deepEqual(await unpackNar([golden('trailing-junk.nar')], sink, { trailing: 'ignore' }), { size: 120 });
});
