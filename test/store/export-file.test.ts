import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteStringOf } from '../../src/bytes/byte-string.ts';
import { collect } from '../../src/bytes/source.ts';
import { writeExport } from '../../src/format/export-stream.ts';
import { memoryTree } from '../../src/format/nar/memory-tree.ts';
import type { MemoryNode } from '../../src/format/nar/memory-tree.ts';
import { packNar } from '../../src/format/nar/pack.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { ExportFile } from '../../src/store/export-file.ts';
import { scanExport } from '../../src/store/export-scan.ts';

const storeDir = '/nix/store';
const [a, b] = [`${'0'.repeat(32)}-a`, `${'1'.repeat(32)}-b`] as StorePath[];
const file = (text: string): MemoryNode => ({ type: 'regular', executable: false, contents: Buffer.from(text) });
const trees = new Map<StorePath, MemoryNode>([
  [a!, file('contents of a')],
  [b!, { type: 'directory', entries: new Map([[byteStringOf('inner'), file('of b')]]) }],
]);

test('what a scan found can be opened in any order, and read at random', async () => {
  const items = [...trees].map(([path, tree]) => ({
    info: { path, references: path === b ? [a!, b!] : [] },
    nar: () => packNar(memoryTree(tree)),
  }));
  const stream = await collect(writeExport(items, storeDir));
  const objects = await Array.fromAsync(scanExport([stream], { storeDir, name: 'x' }));
  const store = new ExportFile(storeDir, { name: 'x', range: (at, size) => [stream.subarray(at, at + size)] }, objects);

  const infos = await store.pathInfos([b!, a!, `${'2'.repeat(32)}-c` as StorePath]);
  assert.deepEqual([...infos.keys()], [b, a]);
  assert.deepEqual(infos.get(b!)!.references, [a, b]);
  for (const info of infos.values()) {
    const nar = await collect(packNar(memoryTree(trees.get(info.path)!)));
    assert.deepEqual(await collect((await store.open(info)).bytes), nar);
    assert.deepEqual(await collect((await store.open(info, { offset: 8 })).bytes), nar.subarray(8));
    assert.equal(info.narSize, nar.length);
  }
  const tree = await store.tree(infos.get(b!)!);
  assert.equal(String(await collect(tree.read([byteStringOf('inner')]))), 'of b');
  assert.equal(await store.pathByHashPart('1'.repeat(32)), b);
});
