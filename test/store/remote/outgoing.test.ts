// NARs on their way out: what counts as gone, and when.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { collect } from '../../../src/bytes/source.ts';
import { encode } from '../../../src/format/compression.ts';
import { memoryTree } from '../../../src/format/nar/memory-tree.ts';
import { packNar } from '../../../src/format/nar/pack.ts';
import { hashBytes } from '../../../src/model/hash.ts';
import { parseStorePath } from '../../../src/model/store-path.ts';
import { loadAhead, outgoingNar } from '../../../src/store/remote/outgoing.ts';
import type { Item } from '../../../src/store/store.ts';

async function itemOf(size: number, encoding: string): Promise<{ item: Item; sent: number }> {
  const nar = await collect(packNar(memoryTree({ type: 'regular', contents: randomBytes(size), executable: false })));
  const bytes = await collect(encode(encoding, [nar]));
  const path = parseStorePath('/nix/store', `/nix/store/${'0'.repeat(32)}-file`);
  const info = { path, narHash: hashBytes(nar), narSize: nar.length, references: [], signatures: [] };
  return { item: { info, open: async () => ({ encoding, bytes: [bytes] }) }, sent: bytes.length };
}

test('all that was read counts once, whatever the encoding and size', async () => {
  for (const size of [0, 1000, 400_000])
    for (const encoding of ['none', 'zstd', 'xz']) {
      const { item, sent } = await itemOf(size, encoding);
      let counted = 0;
      for await (const { nar } of loadAhead([item], { onBytes: (_, bytes) => (counted += bytes) }))
        for await (const chunk of nar()) assert.ok(chunk.length > 0);
      assert.equal(counted, sent, `${size} bytes, ${encoding}`);
    }
});

test('what waits for the line has not gone yet', async () => {
  for (const [size, read] of [
    [1000, loaded],
    [2_000_000, outgoingNar],
  ] as const) {
    const { item, sent } = await itemOf(size, 'none');
    let counted = 0;
    const chunks = read(item, { onBytes: (_, bytes) => (counted += bytes) });
    await chunks.next();
    assert.equal(counted, 0);
    while ((await chunks.next()).done !== true);
    assert.equal(counted, sent);
  }
});

/** As a lane reads what is fetched ahead. */
async function* loaded(item: Item, options: Parameters<typeof outgoingNar>[1]): ReturnType<typeof outgoingNar> {
  for await (const { nar } of loadAhead([item], options)) yield* nar();
}
