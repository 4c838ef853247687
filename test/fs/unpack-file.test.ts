import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { collect } from '../../src/bytes/source.ts';
import { isNarrowError } from '../../src/errors.ts';
import { memoryTree } from '../../src/format/nar/memory-tree.ts';
import type { MemoryNode } from '../../src/format/nar/memory-tree.ts';
import { packNar } from '../../src/format/nar/pack.ts';
import { unpackNar } from '../../src/format/nar/unpack.ts';
import { directorySink } from '../../src/fs/directory-sink.ts';
import { FileThreads } from '../../src/fs/file-threads.ts';
import { localTree } from '../../src/fs/tree.ts';
import { unpackFile } from '../../src/fs/unpack-file.ts';
import { tempDir } from '../lab/temp.ts';
import { metadata } from './disk.ts';

const file = (size: number, executable = false): MemoryNode => ({
  type: 'regular',
  contents: Buffer.alloc(size, `${size} `),
  executable,
});

const directory = (entries: Readonly<Record<string, MemoryNode>>): MemoryNode => ({
  type: 'directory',
  entries: new Map(Object.entries(entries).map(([name, node]) => [name as ByteString, node])),
});

/** Sizes around each limit: of a window, of what is handed over, of padding. */
const sizes = [0, 1, 7, 8, 32_767, 32_768, 32_769, 65_000, 65_536, 65_537, 100_000, 262_144, 300_001, 1_000_003];

const mixed = directory({
  ...Object.fromEntries(sizes.map((size, i) => [`file-${size}`, file(size, i % 2 === 1)])),
  sub: directory({
    big: file(2_000_000),
    empty: directory({}),
    link: { type: 'symlink', target: '../x' as ByteString },
  }),
});

const narOf = (node: MemoryNode): Promise<Buffer> => collect(packNar(memoryTree(node)));

/** Unpacks `nar` from a file of its own to `root`. */
async function unpack(nar: Uint8Array, dir: string, root: string): Promise<void> {
  const path = join(dir, 'x.nar');
  writeFileSync(path, nar);
  const fd = openSync(path, 'r');
  try {
    await unpackFile({ fd, name: 'x.nar', size: nar.length }, directorySink(root, { canonical: false }));
  } finally {
    closeSync(fd);
  }
}

test('a file unpacks to what the stream unpacks to', async () => {
  const dir = tempDir('unpack');
  for (const [name, node] of Object.entries({ mixed, one: file(500_000, true), small: file(3) })) {
    const nar = await narOf(node);
    const [a, b] = [join(dir, `${name}-file`), join(dir, `${name}-stream`)];
    await unpack(nar, dir, a);
    await unpackNar([nar], directorySink(b, { canonical: false }));
    assert.deepEqual(await collect(packNar(localTree(a))), nar);
    assert.deepEqual(modes(a), modes(b));
  }
});

test('big ones are unpacked by several threads, to the same', async () => {
  const dir = tempDir('unpack');
  const entries = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`f${i + 10}`, file(800_000 + i)]));
  const nar = await narOf(directory({ big: directory(entries), mixed }));
  await unpack(nar, dir, join(dir, 'out'));
  assert.deepEqual(await collect(packNar(localTree(join(dir, 'out')))), nar);
});

test('bad files fail with the message of bad streams, and leave nothing', async () => {
  const dir = tempDir('unpack');
  const nar = await narOf(directory({ a: file(10), b: file(100_001), c: file(5), d: file(400_000) }));
  const contentsOfB = nar.indexOf('100001 100001');
  const afterB = Buffer.from(nar);
  afterB[contentsOfB + 100_001] = 9;
  const wrongWord = Buffer.from(nar);
  wrongWord[contentsOfB + 100_008 + 8] = 0x58;
  const cases = [
    ...[0, 50, 300, contentsOfB, contentsOfB + 50_000, contentsOfB + 100_003, nar.length - 200_000, nar.length - 1].map(
      (length) => nar.subarray(0, length),
    ),
    Buffer.concat([nar, Buffer.from('x')]),
    Buffer.concat([nar, Buffer.alloc(100_000)]),
    afterB,
    wrongWord,
  ];
  for (const [i, bad] of cases.entries()) {
    const [a, b] = [join(dir, `file-${i}`), join(dir, `stream-${i}`)];
    const want = await failure(unpackNar([bad], directorySink(b, { canonical: false }), { name: 'x.nar' }));
    assert.equal(await failure(unpack(bad, dir, a)), want);
    assert.equal(existsSync(a), false);
  }
});

test('what stands in the way is refused', async () => {
  const dir = tempDir('unpack');
  writeFileSync(join(dir, 'there'), 'mine');
  await assert.rejects(
    unpack(await narOf(mixed), dir, join(dir, 'there')),
    /cannot create directory .*it exists already/,
  );
  assert.equal(readFileSync(join(dir, 'there'), 'utf8'), 'mine');
});

test('an error in a thread is thrown here, as it is, with the file it was about', async () => {
  const dir = tempDir('unpack');
  writeFileSync(join(dir, 'from'), Buffer.alloc(100));
  await using threads = new FileThreads(1, 4);
  const from = { fd: openSync(join(dir, 'from'), 'r'), name: 'the source', at: 0 };
  const copy = (length: number, name: string): void => {
    const fd = openSync(join(dir, name), 'w');
    threads.do({ type: 'copy', from, to: { fd, name, at: 0 }, length, close: fd });
  };
  copy(100, 'good');
  copy(101, 'bad');
  await assert.rejects(threads.finish(), (error) => {
    assert.ok(isNarrowError(error, 'integrity'));
    assert.match(error.message, /the source is shorter than expected: wanted 101 bytes from 0, got 100/);
    return true;
  });
  assert.deepEqual(readFileSync(join(dir, 'good')), Buffer.alloc(100));
  closeSync(from.fd);
});

async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return (error as Error).message;
  }
  return 'nothing';
}

function modes(root: string): [string, string | undefined][] {
  return Object.entries(metadata(root)).map(([path, meta]) => [path, meta.split(' ')[0]]);
}
