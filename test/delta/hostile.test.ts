import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { BatchWriter } from '../../src/delta/batch.ts';
import { encodeTree } from '../../src/delta/encode-tree.ts';
import { TreeFiles } from '../../src/delta/files.ts';
import { action, node, source, unit } from '../../src/delta/layout.ts';
import { Tally } from '../../src/delta/report.ts';
import { SolidEncoder } from '../../src/delta/solid.ts';
import { decodeDelta } from '../../src/delta/stream.ts';
import { TreeWriter } from '../../src/delta/tree-writer.ts';
import { UnitWriter } from '../../src/delta/unit.ts';
import { streamMagic } from '../../src/delta/unit-source.ts';
import { isNarrowError } from '../../src/errors.ts';
import { memoryTree } from '../../src/format/nar/memory-tree.ts';
import { noise } from './arbitraries.ts';
import { bytes, directory, file } from './nodes.ts';
import { encoded, narOf, pieces, received, targetsOf } from './round-trip.ts';

const base = memoryTree(directory({ a: file('1'), d: directory({ x: file('xx'), y: bytes(noise(300, 1)) }) }));

/** A stream of one path whose recipe is written by hand. */
async function crafted(write: (tree: TreeWriter, contents: UnitWriter) => void): Promise<Buffer> {
  const contents = new UnitWriter();
  write(new TreeWriter(contents), contents);
  const batch = new BatchWriter();
  batch.unit(unit.last, contents, new Tally('x', true));
  using solid = new SolidEncoder(3);
  return Buffer.concat([streamMagic, await batch.take(solid, 'fast'), Buffer.of(0)]);
}

async function failure(write: (tree: TreeWriter, contents: UnitWriter) => void, narSize = 100_000): Promise<string> {
  const [result] = await received(await crafted(write), [{ name: 'x', narSize, bases: [base] }]);
  assert.ok(isNarrowError(result!.nar), String(result!.nar));
  return result!.nar.message;
}

/** A new root directory with one entry. */
const withEntry = (name: string, what: (tree: TreeWriter) => void) => (tree: TreeWriter) => {
  tree.partner(-1);
  tree.act(action.add, 0, 0);
  tree.node(node.directory);
  tree.act(action.add, 0, 0);
  tree.name(name as ByteString);
  what(tree);
  tree.act(action.end, 0, 0);
};

const emptyFile = (tree: TreeWriter): void => {
  tree.node(node.file + source.fresh * node.source);
  tree.size(0);
};

describe('a hostile delta', () => {
  it('can name nothing outside of its path', async () => {
    for (const name of ['..', '.', '', 'a/b', '/', 'x'.repeat(256)])
      assert.match(await failure(withEntry(name, emptyFile)), /bad name of a directory entry/);
    // what a stranger calls an entry does not fill the screen
    assert.ok((await failure(withEntry('x'.repeat(1_000_000), emptyFile))).length < 300);
    assert.match(
      await failure((tree) => {
        tree.partner(-1);
        tree.act(action.add, 0, 0);
        tree.node(node.directory);
        for (const name of ['b', 'a']) {
          tree.act(action.add, 0, 0);
          tree.name(name as ByteString);
          emptyFile(tree);
        }
      }),
      /names are not sorted/,
    );
  });

  it('cannot nest without end', async () => {
    const deep = (tree: TreeWriter): void => {
      tree.partner(-1);
      tree.act(action.add, 0, 0);
      for (let depth = 0; depth < 100; depth++) {
        tree.node(node.directory);
        tree.act(action.add, 0, 0);
        tree.name('d' as ByteString);
      }
      emptyFile(tree);
    };
    assert.match(await failure(deep), /nested too deeply/);
  });

  it('cannot refer to what is not there', async () => {
    const refer = (base_: number, entry: number, what: number) => (tree: TreeWriter) => {
      tree.partner(0);
      tree.act(action.change, 0, 1);
      tree.node(what);
      tree.reference({ base: base_, entry });
      tree.sizeBeside(5, 0);
    };
    const moved = node.file + source.moved * node.source;
    assert.match(await failure(refer(0, 99, moved)), /reference to no file/);
    assert.match(await failure(refer(0, -5, moved)), /reference to no file/);
    assert.match(await failure(refer(0, 0, moved)), /reference to no file/);
    assert.match(await failure(refer(1, 0, moved)), /base that there is not/);
    assert.match(await failure(refer(0, 1, node.directoryLike)), /directory like another one/);
    assert.match(
      await failure(refer(0, 1, node.file + source.repacked * node.source)),
      /ends too early|fit its columns/,
    );
    assert.match(
      await failure((tree) => {
        tree.partner(-1);
        tree.act(action.add, 0, 0);
        tree.node(node.file + source.copy * node.source);
        tree.copy(0);
      }),
      /copy of what was not kept/,
    );
  });

  it('cannot make us hold or make more than was announced', async () => {
    const fresh = (size: number) => (tree: TreeWriter, contents: UnitWriter) => {
      tree.partner(-1);
      tree.act(action.add, 0, 0);
      tree.node(node.file + source.fresh * node.source);
      tree.size(size);
      contents.fresh(noise(1000, 1));
    };
    assert.match(await failure(fresh(2 ** 50)), /longer than promised/);
    assert.match(await failure(fresh(1000), 900), /longer than promised/);
    assert.match(await failure(fresh(999)), /more than its tree takes/);
    assert.match(await failure(fresh(1001)), /too few contents/);
    assert.match(await failure(fresh(1000), 50_000), /shorter than promised/);
    const opened = (tree: TreeWriter): void => {
      tree.partner(-1);
      tree.act(action.add, 0, 0);
      tree.node(node.file + source.packedFresh * node.source);
      tree.size(10);
      tree.recipe(noise(5, 1), 2 ** 40);
    };
    assert.match(await failure(opened), /too much in them/);
  });

  it('is refused where its framing lies', async () => {
    const item = { name: 'x', fresh: memoryTree(bytes(noise(3000, 1))), bases: [] };
    const delta = await encoded([item]);
    const targets = await targetsOf([item]);
    const refused = (bytes_: Uint8Array, expected: RegExp, of = targets): Promise<void> =>
      assert.rejects(received(bytes_, of), expected);
    await refused(Buffer.alloc(0), /end of input/);
    await refused(Buffer.from('nrwdelt\x02\0', 'latin1'), /not a delta of this version/);
    await refused(delta.subarray(0, -1), /end of input/);
    await refused(Buffer.concat([delta, Buffer.of(0)]), /after the end/);
    await refused(delta, /more paths than asked for/, []);
    await refused(delta, /unexpected end of a delta/, [...targets, ...targets]);
    const long = Buffer.concat([streamMagic, Buffer.of(0xff, 0xff, 0xff, 0xff, 0x7f)]);
    await refused(long, /batch that is too long/);
    // one column that claims four gigabytes
    const huge = Buffer.of(1, 0x81, 0x80, 0x80, 0x80, 0x40, 1, 0);
    await refused(Buffer.concat([streamMagic, Buffer.of(huge.length), huge]), /too much in it/);
  });

  it('fails in every mutation as NarrowErrors do, or gives other bytes of the announced size', async () => {
    const fresh = memoryTree(
      directory({ a: file('2'), d: directory({ x: file('xx'), y: bytes(noise(310, 1)) }), n: bytes(noise(900, 3)) }),
    );
    const items = [
      { name: '0', fresh, bases: [base] },
      { name: '1', fresh: base, bases: [base] },
      { name: '2', fresh: base, bases: [fresh] },
    ];
    const delta = await encoded(items);
    const targets = await targetsOf(items);
    const mutations = fc.array(fc.tuple(fc.nat(delta.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(mutations, async (edits) => {
        const mutated = Buffer.from(delta);
        for (const [at, value] of edits) mutated[at] = value;
        try {
          for await (const { target, nar } of decodeDelta(pieces(mutated, 500), targets)) {
            let size = 0;
            try {
              for await (const chunk of nar) size += chunk.length;
              assert.equal(size, target.narSize);
            } catch (error) {
              if (!isNarrowError(error)) throw error;
              assert.ok(size <= target.narSize);
            }
          }
        } catch (error) {
          if (!isNarrowError(error)) throw error;
        }
      }),
      { numRuns: 1500 },
    );
    assert.equal((await narOf(base)).length, targets[1]!.narSize);
  });

  it('fails as NarrowErrors do where the columns themselves are mutated', async () => {
    const fresh = memoryTree(
      directory({ a: file('2'), e: directory({ x: file('xx'), y: bytes(noise(310, 1)) }), z: bytes(noise(90_000, 3)) }),
    );
    const old = memoryTree(
      directory({ a: file('1'), e: directory({ y: bytes(noise(300, 1)) }), z: bytes(noise(89_000, 3)) }),
    );
    const contents = new UnitWriter();
    const options = { level: 'fast', tally: new Tally('x', true), tools: undefined } as const;
    for (const _ of encodeTree(new TreeFiles(fresh), [new TreeFiles(old)], contents, options)) continue;
    const tree = contents.tree.take();
    const codec = contents.codec.take();
    const sizes = [...tree, ...codec].map((column) => column.length);
    const edits = fc.array(fc.tuple(fc.nat(sizes.length - 1), fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    const narSize = (await narOf(fresh)).length;
    await fc.assert(
      fc.asyncProperty(edits, async (all) => {
        const columns = [...tree, ...codec].map((column) => Buffer.from(column));
        for (const [i, at, value] of all) if (sizes[i]! > 0) columns[i]![at % sizes[i]!] = value;
        const delta = await crafted((_, unit_) => {
          for (const [i, column] of columns.entries()) {
            if (i < tree.length) unit_.tree.bytes(i, column);
            else unit_.codec.bytes(i - tree.length, column);
          }
        });
        const [result] = await received(delta, [{ name: 'x', narSize, bases: [old] }]);
        if (Buffer.isBuffer(result!.nar)) assert.equal(result!.nar.length, narSize);
        else assert.ok(isNarrowError(result!.nar), String(result!.nar));
      }),
      { numRuns: 1500 },
    );
  });
});
