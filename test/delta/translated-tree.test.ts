import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { collect } from '../../src/bytes/source.ts';
import { isCollision, translated } from '../../src/delta/translated-tree.ts';
import type { HashPartMap } from '../../src/delta/translate.ts';
import type { MemoryNode } from '../../src/format/nar/memory-tree.ts';
import { memoryTree } from '../../src/format/nar/memory-tree.ts';
import { packNar } from '../../src/format/nar/pack.ts';
import type { SyncFileTree, TreePath } from '../../src/format/nar/tree.ts';
import { packed } from '../format/nar/trees.ts';
import { hashPartMaps, treesOf } from './arbitraries.ts';
import { defined } from './defined.ts';

/** What the translated tree must be; undefined where names collide. */
function expectedOf(node: MemoryNode, map: HashPartMap): MemoryNode | undefined {
  const text = (value: ByteString): ByteString =>
    defined(Buffer.from(value, 'latin1'), map).toString('latin1') as ByteString;
  if (node.type === 'regular') return { ...node, contents: defined(Buffer.from(node.contents), map) };
  if (node.type === 'symlink') return { ...node, target: text(node.target) };
  const entries = new Map<ByteString, MemoryNode>();
  for (const [name, child] of node.entries) {
    const translatedChild = expectedOf(child, map);
    if (translatedChild === undefined || entries.has(text(name))) return undefined;
    entries.set(text(name), translatedChild);
  }
  return { type: 'directory', entries };
}

function filesOf(node: MemoryNode, path: TreePath = []): { path: TreePath; contents: Uint8Array }[] {
  if (node.type === 'regular') return [{ path, contents: node.contents }];
  return node.type === 'symlink' ? [] : [...node.entries].flatMap(([name, child]) => filesOf(child, [...path, name]));
}

const mapsAndTrees = hashPartMaps.chain((map) => fc.tuple(fc.constant(map), treesOf(map)));
const hash = (digit: string): ByteString => digit.repeat(32) as ByteString;
const file = (text: string): MemoryNode => ({ type: 'regular', executable: false, contents: Buffer.from(text) });
const directory = (entries: Record<string, MemoryNode>): MemoryNode => ({
  type: 'directory',
  entries: new Map(Object.entries(entries) as [ByteString, MemoryNode][]),
});

describe('a translated tree', () => {
  it('packs to the NAR of the tree with all replaced, or tells of the collision', async () => {
    await fc.assert(
      fc.asyncProperty(mapsAndTrees, async ([map, tree]) => {
        const expected = expectedOf(tree, map);
        const nar = collect(packNar(translated(memoryTree(tree), map)));
        if (expected === undefined) await assert.rejects(nar, (error) => isCollision(error));
        else assert.deepEqual(await nar, await packed(expected));
      }),
      { numRuns: 150 },
    );
  });

  it('reads any part of a file as the whole has it', () => {
    fc.assert(
      fc.property(mapsAndTrees, fc.nat(), fc.nat(), ([map, tree], offset, length) => {
        const expected = expectedOf(tree, map);
        if (expected === undefined) return;
        const translation = translated(memoryTree(tree), map);
        for (const { path, contents } of filesOf(expected)) {
          const from = offset % (contents.length + 1);
          const size = length % (contents.length - from + 1);
          const part = Buffer.concat(
            [...translation.read(path, { offset: from, length: size })].map((c) => Buffer.from(c)),
          );
          assert.deepEqual(part, Buffer.from(contents.subarray(from, from + size)));
        }
      }),
      { numRuns: 150 },
    );
  });

  it('finds entries by their new names only, and sorts them anew', () => {
    const tree = memoryTree(directory({ [hash('a')]: directory({ [`x${hash('a')}`]: file('1') }), m: file('2') }));
    const translation = translated(tree, new Map([[hash('a'), hash('z')]]));
    assert.deepEqual(translation.list([]), ['m', hash('z')]);
    assert.deepEqual(translation.list([hash('z')]), [`x${hash('z')}`]);
    assert.equal(translation.stat([hash('a')]), undefined);
    assert.equal(translation.stat([hash('z'), `x${hash('z')}` as ByteString])?.type, 'regular');
    assert.equal(translation.stat(['m' as ByteString, hash('z')]), undefined);
    assert.throws(() => translation.read([hash('a')]), /there is no/);
  });

  it('lets two names change places', () => {
    const tree = memoryTree(directory({ [hash('a')]: file('was a'), [hash('b')]: file('was b') }));
    const swapped = translated(
      tree,
      new Map([
        [hash('a'), hash('b')],
        [hash('b'), hash('a')],
      ]),
    );
    assert.equal(Buffer.from([...swapped.read([hash('b')])][0]!).toString(), 'was a');
  });

  it('names the collision', () => {
    const tree: SyncFileTree = memoryTree(
      directory({ d: directory({ [hash('a')]: file(''), [hash('b')]: file('') }) }),
    );
    const translation = translated(tree, new Map([[hash('a'), hash('b')]]));
    assert.deepEqual(translation.list([]), ['d']);
    assert.throws(() => translation.list(['d' as ByteString]), /two names in \/d become "b+"/);
    assert.throws(
      () => translation.stat(['d' as ByteString, hash('b')]),
      (error) => isCollision(error),
    );
  });
});
