import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { columnCount, decodeFile, encodeFile } from '../../../src/delta/codec/file.ts';
import type { Level } from '../../../src/delta/codec/file.ts';
import { ColumnReader, ColumnWriter } from '../../../src/delta/columns.ts';
import { edited, words } from './arbitrary.ts';
import { lent } from './lent.ts';

interface Result {
  readonly bytes: Buffer;
  readonly size: number;
  readonly windows: number;
}

/** Through the codec and back; `cut`: each window goes through columns of its own. */
function throughCodec(old: Buffer, fresh: Buffer, level: Level, window: number, cut: boolean): Result {
  const out = new ColumnWriter(columnCount);
  const batches: Uint8Array[][] = [];
  let windows = 0;
  let size = 0;
  for (const _ of encodeFile(lent(old), lent(fresh), level, out, { window })) {
    windows++;
    if (!cut) continue;
    size += out.size;
    batches.push(out.take());
  }
  size += out.size;
  if (!cut) batches.push(out.take());
  const readers = batches.map((columns) => new ColumnReader(columns));
  let asked = 0;
  const next = (): ColumnReader => readers[cut ? asked++ : 0]!;
  const chunks = [...decodeFile(lent(old), fresh.length, next, { window })].map((chunk) => Buffer.from(chunk));
  for (const reader of readers) reader.expectEnd();
  return { bytes: Buffer.concat(chunks), size, windows };
}

test('any file against any other comes back', () => {
  const level = fc.constantFrom<Level>('fast', 'best');
  fc.assert(
    fc.property(words, edited, level, fc.integer({ min: 1, max: 600 }), fc.boolean(), (old, edit, how, window, cut) => {
      const fresh = edit(old);
      const { bytes, windows } = throughCodec(old, fresh, how, window, cut);
      assert.ok(bytes.equals(fresh));
      assert.equal(windows, Math.max(1, Math.ceil(fresh.length / window)));
    }),
    { numRuns: 500 },
  );
});

test('a big file with few changes costs few bytes, an equal one next to none', () => {
  const old = noise(20 << 20, 1);
  const fresh = Buffer.concat([old.subarray(0, 5_000_000), Buffer.from('inserted'), old.subarray(5_000_100)]);
  fresh[12_345_678]! ^= 1;
  for (const level of ['fast', 'best'] as const) {
    const changed = throughCodec(old, fresh, level, 16 << 20, true);
    assert.ok(changed.bytes.equals(fresh));
    assert.ok(changed.size <= 60, `${level}: ${changed.size} bytes`);
    assert.ok(throughCodec(old, old, level, 16 << 20, true).size <= 20);
  }
});

test('moved blocks are found wherever they went', () => {
  const old = noise(1 << 20, 2);
  const blocks = Array.from({ length: 16 }, (_, i) => old.subarray(i << 16, (i + 1) << 16)).reverse();
  const fresh = Buffer.concat(blocks);
  for (const level of ['fast', 'best'] as const) {
    const { bytes, size } = throughCodec(old, fresh, level, 300_000, true);
    assert.ok(bytes.equals(fresh));
    assert.ok(size < 400, `${level}: ${size} bytes`);
  }
});

/** Bytes that do not compress, the same each time. */
function noise(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
