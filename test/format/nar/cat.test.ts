import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteStringOf } from '../../../src/bytes/byte-string.ts';
import type { ByteString } from '../../../src/bytes/byte-string.ts';
import { collect } from '../../../src/bytes/source.ts';
import { catNar } from '../../../src/format/nar/cat.ts';
import type { MemoryNode } from '../../../src/format/nar/memory-tree.ts';
import { scribbling } from '../../bytes/scribble.ts';
import { golden, packed, trees } from './trees.ts';

const path = (text: string): ByteString[] => (text === '' ? [] : text.split('/').map(byteStringOf));

function* filesOf(node: MemoryNode, at: ByteString[] = []): Generator<[ByteString[], Uint8Array], void, undefined> {
  if (node.type === 'regular') yield [at, node.contents];
  if (node.type === 'directory') for (const [name, child] of node.entries) yield* filesOf(child, [...at, name]);
}

test('finds every file of random trees', async () => {
  await fc.assert(
    fc.asyncProperty(trees, fc.integer({ min: 1, max: 3000 }), async (tree, size) => {
      const nar = await packed(tree);
      for (const [at, contents] of [...filesOf(tree)].slice(0, 5)) {
        const got = await collect(catNar(scribbling(nar, size), at));
        assert.ok(got.equals(contents));
      }
    }),
    { numRuns: 60, interruptAfterTimeLimit: 2000 },
  );
});

test('stops reading behind the file', async () => {
  let pulled = 0;
  function* source(): Generator<Uint8Array, void, undefined> {
    for (const chunk of scribbling(golden('self-2.0.nar'), 100)) {
      pulled += chunk.length;
      yield chunk;
    }
  }
  assert.equal((await collect(catNar(source(), path('bin/run')))).length, 18);
  assert.ok(pulled <= 800);
});

test('what is not there, or no file, is missing', async () => {
  const nar = golden('self-2.0.nar');
  for (const [at, is] of [
    ['bin', 'directory'],
    ['link', 'symlink'],
    ['bin/nothing', undefined],
    ['file/x', undefined],
    ['', 'directory'],
    ['run', undefined],
  ] as const) {
    await assert.rejects(collect(catNar([nar], path(at), 'x.nar')), {
      code: 'missing',
      message: `there is no file /${at} in x.nar`,
      data: { is },
    });
  }
  await assert.rejects(collect(catNar([nar.subarray(0, 700)], path('file'))), /unexpected end of NAR/);
});

test('the root itself may be the file', async () => {
  assert.equal((await collect(catNar([golden('ok-regular.nar')], []))).toString(), 'hello\n');
});
