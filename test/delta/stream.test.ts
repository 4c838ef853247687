import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isCollision, translated } from '../../src/delta/translated-tree.ts';
import { memoryTree } from '../../src/format/nar/memory-tree.ts';
import type { MemoryNode } from '../../src/format/nar/memory-tree.ts';
import type { SyncFileTree } from '../../src/format/nar/tree.ts';
import { gzipSync } from 'node:zlib';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { collect } from '../../src/bytes/source.ts';
import { packingTools } from '../../src/delta/recompress/member.ts';
import { decodeDelta, encodeDelta } from '../../src/delta/stream.ts';
import type { PathReport } from '../../src/delta/stream.ts';
import { isNarrowError } from '../../src/errors.ts';
import { hashPartMaps, noise, treesOf, variantsOf } from './arbitraries.ts';
import { bytes, directory, failingTree, file } from './nodes.ts';
import { encoded, narOf, pieces, received, targetsOf } from './round-trip.ts';
import type { TestPath } from './round-trip.ts';

const gzipped = (text: string): Buffer => gzipSync(Buffer.from(text));

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
  it('sends paths that are their bases before all of them were looked at', async () => {
    const tree = memoryTree({ type: 'regular', executable: false, contents: noise(1 << 20, 1) });
    const asked: number[] = [];
    const items = function* (): Generator<TestPath> {
      for (let i = 0; i < 32; i++) {
        asked.push(i);
        yield { name: `path-${i}`, fresh: tree, bases: [tree] };
      }
    };
    const delta = encodeDelta(items());
    const first = await delta.next();
    assert.ok(first.done !== true && asked.length <= 2, `${asked.length} paths`);
    let batches = 1;
    for await (const _ of delta) batches++;
    // a packet each: not too many
    assert.ok(batches <= 6, `${batches} batches`);
  });

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

  it('takes no bytes for paths that are their bases, however many they are', async () => {
    const base = memoryTree(directory({ a: file('1'), b: directory({ c: file('2') }) }));
    const items = Array.from({ length: 1000 }, (_, i) => ({ name: `${i}`, fresh: base, bases: [base] }));
    const delta = await encoded(items);
    assert.ok(delta.length < 24, `${delta.length} bytes`);
    const results = await received(delta, await targetsOf(items));
    assert.ok(
      results.every(({ nar, report }) => Buffer.isBuffer(nar) && report.cause === 'same' && report.bytes === 0),
    );
  });

  it('tells what files of a path came from, on both sides alike', async () => {
    const large = noise(100_000, 1);
    const base = memoryTree(
      directory({
        'lib-1.2': directory({ same: bytes(noise(500, 3)), changed: bytes(large) }),
        old: bytes(noise(9000, 4)),
        text: file('a text that is there'),
      }),
    );
    const fresh = memoryTree(
      directory({
        'lib-1.3': directory({ same: bytes(noise(500, 3)), changed: bytes(Buffer.concat([Buffer.from('x'), large])) }),
        another: bytes(noise(3000, 7)),
        moved: bytes(noise(9000, 4)),
        text: file('a text that is there'),
        twin: bytes(noise(3000, 7)),
      }),
    );
    const sent: PathReport[] = [];
    const items = [{ name: 'x', fresh, bases: [base] }];
    const delta = await encoded(items, { onPath: (report) => sent.push(report) });
    const [result] = await received(delta, await targetsOf(items));
    assert.deepEqual(result!.nar, await narOf(fresh));
    assert.deepEqual(result!.report, sent[0]);
    assert.deepEqual(sent[0]!.files, { equal: 2, moved: 2, similar: 1, recompressed: 0, fresh: 1 });
    assert.equal(sent[0]!.cause, 'new');
    assert.ok(delta.length < 3400, `${delta.length} bytes`);
    assert.ok(Math.abs(sent[0]!.bytes - delta.length) < 100);
  });

  it('opens compressed files where the receiver can pack them again', async () => {
    const words = Array.from({ length: 3000 }, (_, i) => `word ${(i * 7919) % 1000}\n`).join('');
    const old = memoryTree(directory({ 'a.1.gz': bytes(gzipped(words)), 'b.1.gz': bytes(gzipped(words.slice(5))) }));
    const fresh = memoryTree(
      directory({
        'a.1.gz': bytes(gzipped(`${words}more\n`)),
        'new.gz': bytes(gzipped(`other ${words.toUpperCase()}`)),
      }),
    );
    const items = [{ name: 'x', fresh, bases: [old] }];
    for (const tools of [new Set(packingTools()), new Set<string>()]) {
      const delta = await encoded(items, { tools });
      const [result] = await received(delta, await targetsOf(items));
      assert.deepEqual(result!.nar, await narOf(fresh));
      assert.equal(result!.report.files.recompressed > 0, tools.size > 0);
    }
  });

  it('cuts files of many batches anywhere', async () => {
    const base = memoryTree(directory({ a: bytes(noise(5_000_000, 1)), b: bytes(noise(2_000_000, 2)) }));
    const edited = Buffer.from(noise(5_000_000, 1));
    for (let at = 0; at < edited.length; at += 997) edited[at]! ^= 1;
    const fresh = memoryTree(
      directory({ a: bytes(edited), b: bytes(noise(2_000_000, 2)), c: bytes(noise(5_000_000, 5)) }),
    );
    const items = [
      { name: 'x', fresh, bases: [base] },
      { name: 'y', fresh: base, bases: [fresh] },
    ];
    const delta = await encoded(items);
    assert.ok(delta.length < 5_200_000, `${delta.length} bytes`);
    const results = await received(delta, await targetsOf(items), 70_000);
    for (const [i, { nar }] of results.entries()) assert.deepEqual(nar, await narOf(items[i]!.fresh));
  });

  it('ends a path where a batch was cut', async () => {
    const items = [noise(256 * 1024, 1), noise(10, 2)].map((c, i) => ({
      name: `${i}`,
      fresh: memoryTree(bytes(c)),
      bases: [],
    }));
    const results = await received(await encoded(items), await targetsOf(items));
    for (const [i, { nar }] of results.entries()) assert.deepEqual(nar, await narOf(items[i]!.fresh));
  });

  it('goes on after a path that the sender cannot read', async () => {
    const fine = memoryTree(file('fine'));
    for (const size of [10, 3_000_000]) {
      const broken = failingTree(memoryTree(directory({ a: bytes(noise(size, 1)), b: file('unreadable') })), 'b');
      const sent: PathReport[] = [];
      const items = [fine, broken, fine].map((fresh, i) => ({ name: `${i}`, fresh, bases: [] }));
      const delta = await encoded(items, { onPath: (report) => sent.push(report) });
      const targets = items.map(({ name }, i) => ({ name, bases: [], narSize: i === 1 ? 4_000_000 : 120 }));
      const [first, second, third] = await received(delta, targets);
      assert.deepEqual(first!.nar, await narOf(fine));
      assert.ok(isNarrowError(second!.nar, 'unavailable'), String(second!.nar));
      assert.deepEqual(third!.nar, await narOf(fine));
      assert.equal(sent[1]!.cause, 'absent');
      assert.match(String(sent[1]!.failure), /cannot read/);
    }
  });

  it('lets a path be left unread, in part or whole', async () => {
    const trees = [noise(700_000, 1), noise(10, 2), noise(800_000, 3), noise(20, 4)].map((c) => memoryTree(bytes(c)));
    const items = trees.map((fresh, i) => ({ name: `${i}`, fresh, bases: [] }));
    const delta = await encoded(items);
    const seen: string[] = [];
    for await (const { target, nar } of decodeDelta(pieces(delta, 5000), await targetsOf(items))) {
      if (target.name === '0') for await (const _ of nar) break;
      if (target.name === '3') assert.deepEqual(await collect(nar), await narOf(trees[3]!));
      seen.push(target.name);
    }
    assert.deepEqual(seen, ['0', '1', '2', '3']);
  });

  it('names a base that is not what it was, and goes on', async () => {
    const base = (text: string): SyncFileTree =>
      memoryTree(directory({ a: file(`${text}${'x'.repeat(500)}`), b: file('b') }));
    const fresh = memoryTree(directory({ a: file(`1${'x'.repeat(500)}y`), b: file('b') }));
    const items = [base('1'), base('1')].map((tree, i) => ({ name: `${i}`, fresh, bases: [tree] }));
    const [first, second] = await targetsOf(items);
    const delta = await encoded(items);
    for (const damaged of [
      memoryTree(directory({ a: file('1') })),
      memoryTree(file('')),
      failingTree(base('1'), 'a'),
    ]) {
      const results = await received(delta, [{ ...first!, bases: [damaged] }, second!]);
      const nar = await narOf(fresh);
      assert.ok(!(Buffer.isBuffer(results[0]!.nar) && results[0]!.nar.equals(nar)));
      assert.deepEqual(results[1]!.nar, nar);
    }
  });

  it('is what docs/formats/delta.md says, byte for byte', async () => {
    const link = (target: string): MemoryNode => ({ type: 'symlink', target: target as ByteString });
    const kept = { f: file('33'), g: file('4') };
    const base = memoryTree(directory({ a: file('1'), gone: file('2'), l: link('x/1/y'), d: directory(kept) }));
    const fresh = memoryTree(
      directory({ a: file('1'), b: file('33'), l: link('x/22/y'), d: directory({ ...kept, n: file('') }) }),
    );
    const stream = [
      '6e727764656c7401', // name and version
      '3e', // length of the batch
      'ff1f', // mask: columns 0 to 11
      '080828200c1c10100c040804', // their sizes, all as they are
      '00', // no contents
      '0001', // units: one path the same, one path complete
      'ff03', // the second uses columns 3 to 11
      '00080307040403010201', // fresh contents, then bytes of each of these
      '0204020400010300', // enter the root, add b, enter d, add n, end, gone, change l, end
      '130302', // a moved file, a fresh one, a link
      '00010002000000', // kept before each action, where children are left
      '00000202', // shared with names, and with the target
      '62006e00', // b, n
      '323200', // 22
      '00', // size of n
      '0100', // beside the first base; a reference to it
      '06', // to its entry 3
      '00', // the end
    ];
    const items = [base, fresh].map((tree, i) => ({ name: `${i}`, fresh: tree, bases: [base] }));
    assert.equal((await encoded(items)).toString('hex'), stream.join(''));
    const results = await received(Buffer.from(stream.join(''), 'hex'), await targetsOf(items));
    assert.deepEqual(results[1]!.nar, await narOf(fresh));
  });
});
