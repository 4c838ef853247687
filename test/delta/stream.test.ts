import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isCollision, translated } from '../../src/delta/translated-tree.ts';
import { memoryTree } from '../../src/format/nar/memory-tree.ts';
import type { MemoryNode } from '../../src/format/nar/memory-tree.ts';
import type { SyncFileTree } from '../../src/format/nar/tree.ts';
import { hashPartMaps, treesOf, variantsOf } from './arbitraries.ts';
import { encoded, narOf, received, targetsOf } from './round-trip.ts';
import type { TestPath } from './round-trip.ts';

const levels = fc.constantFrom('fast' as const, 'best' as const);

/** A path whose bases are translated, and whose fresh tree is a variant of the first as it is after that. */
const paths: fc.Arbitrary<TestPath> = hashPartMaps.chain((map) =>
  fc
    .tuple(treesOf(map), treesOf(map), fc.nat(3))
    .chain(([base, other, count]) => fc.tuple(variantsOf(base, map), fc.constant([base, other, base].slice(0, count))))
    .map(([fresh, bases]) => ({
      name: 'some-path',
      fresh: memoryTree(plain(memoryTree(fresh), map)),
      bases: bases.map((base) => translated(memoryTree(base), map)),
    })),
);

/** `tree` translated where that can be, else as it is. */
function plain(tree: SyncFileTree, map: ReadonlyMap<string, string>): MemoryNode {
  try {
    return memoryOf(translated(tree, map), []);
  } catch (error) {
    if (!isCollision(error)) throw error;
    return memoryOf(tree, []);
  }
}

function memoryOf(tree: SyncFileTree, path: readonly Parameters<SyncFileTree['stat']>[0][number][]): MemoryNode {
  const stat = tree.stat(path)!;
  if (stat.type === 'symlink') return stat;
  if (stat.type === 'directory')
    return {
      type: 'directory',
      entries: new Map(tree.list(path).map((name) => [name, memoryOf(tree, [...path, name])])),
    };
  const contents = Buffer.concat([...tree.read(path)].map((chunk) => Buffer.from(chunk)));
  return { type: 'regular', executable: stat.executable, contents };
}

describe('the delta stream', () => {
  it('gives back any trees, whatever their bases', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(paths, { maxLength: 4 }),
        levels,
        fc.constantFrom(13, 1000, 100_000),
        async (items, level, size) => {
          const delta = await encoded(items, { level });
          const results = await received(delta, await targetsOf(items), size);
          assert.equal(results.length, items.length);
          for (const [i, { nar }] of results.entries()) assert.deepEqual(nar, await narOf(items[i]!.fresh));
        },
      ),
      { numRuns: 40 },
    );
  });
});
