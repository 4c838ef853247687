import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { decodeDigests, digestsOf, encodeDigests } from '../../src/delta/digests.ts';
import { translated } from '../../src/delta/translated-tree.ts';
import { isNarrowError } from '../../src/errors.ts';
import type { MemoryNode } from '../../src/format/nar/memory-tree.ts';
import { memoryTree } from '../../src/format/nar/memory-tree.ts';
import { noise, treesOf } from './arbitraries.ts';
import { encoded, narOf, received } from './round-trip.ts';

const someTrees = fc.array(treesOf(new Map()), { maxLength: 3 });
const file = (contents: Uint8Array): MemoryNode => ({ type: 'regular', executable: false, contents });
const directory = (entries: Record<string, MemoryNode>): MemoryNode => ({
  type: 'directory',
  entries: new Map(Object.entries(entries) as [ByteString, MemoryNode][]),
});

describe('digests of bases', () => {
  it('come back as they were', async () => {
    await fc.assert(
      fc.asyncProperty(someTrees, async (trees) => {
        const all = trees.map((tree) => digestsOf(memoryTree(tree)));
        assert.deepEqual(decodeDigests(await encodeDigests(all)), all);
      }),
      { numRuns: 60 },
    );
  });

  it('are refused when they are damaged, or do no harm', async () => {
    const tree = directory({ a: directory({ b: file(noise(50, 1)), c: file(noise(0, 1)) }), d: file(noise(9, 2)) });
    const bytes = await encodeDigests([digestsOf(memoryTree(tree))]);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.boolean(), (at, value, cut) => {
        const mutated = cut ? bytes.subarray(0, at) : Buffer.from(bytes);
        if (!cut) mutated[at] = value;
        try {
          for (const { index } of decodeDigests(mutated)) assert.ok(index.length <= bytes.length);
        } catch (error) {
          assert.ok(isNarrowError(error, 'format'), String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('let equal files stay unsent, wherever they are, though the sender has none of them', async () => {
    const [large, other] = [noise(200_000, 1), noise(100_000, 2)];
    const base = memoryTree(directory({ a: file(large), b: file(Buffer.from('old')), z: file(other) }));
    const fresh = memoryTree(directory({ a: file(large), b: file(Buffer.from('new')), moved: file(other) }));
    const delta = await encoded([{ name: 'x', fresh, bases: [digestsOf(base)] }]);
    assert.ok(delta.length < 200, `${delta.length} bytes`);
    const nar = await narOf(fresh);
    const [result] = await received(delta, [{ name: 'x', narSize: nar.length, bases: [base] }]);
    assert.deepEqual(result!.nar, nar);
    assert.equal(result!.report.files.moved, 1);
  });

  it('of a tree that cannot be translated are those of no base', async () => {
    const [a, b] = ['a'.repeat(32), 'b'.repeat(32)];
    const base = translated(
      memoryTree(directory({ [a]: file(noise(9, 1)), [b]: file(noise(9, 2)) })),
      new Map([[a, b]]),
    );
    const fresh = memoryTree(directory({ [b]: file(noise(9, 1)) }));
    const described = decodeDigests(await encodeDigests([digestsOf(base)]));
    for (const bases of [described, [base]]) {
      const nar = await narOf(fresh);
      const delta = await encoded([{ name: 'x', fresh, bases }]);
      const [result] = await received(delta, [{ name: 'x', narSize: nar.length, bases: [base] }]);
      assert.deepEqual(result!.nar, nar);
    }
  });
});
