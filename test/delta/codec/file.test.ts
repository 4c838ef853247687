import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { columnCount, encodeFile } from '../../../src/delta/codec/file.ts';
import type { Level } from '../../../src/delta/codec/file.ts';
import { column, mode } from '../../../src/delta/codec/layout.ts';
import { ColumnWriter } from '../../../src/delta/columns.ts';
import type { RandomBytes } from '../../../src/delta/random-bytes.ts';
import { edited, words } from './arbitrary.ts';
import { noise, throughCodec } from './through-codec.ts';

const levels = ['fast', 'best'] as const;

test('any file against any other comes back', () => {
  const settings = fc.record({
    level: fc.constantFrom<Level>(...levels),
    window: fc.integer({ min: 1, max: 600 }),
    searched: fc.constantFrom(0, 1 << 16, 1 << 20),
    cut: fc.boolean(),
  });
  fc.assert(
    fc.property(words, edited, settings, (old, edit, how) => {
      const fresh = edit(old);
      const { bytes, windows } = throughCodec(old, fresh, how);
      assert.ok(bytes.equals(fresh));
      assert.equal(windows, Math.max(1, Math.ceil(fresh.length / how.window)));
    }),
    { numRuns: 500 },
  );
});

test('a big file with few changes costs few bytes, an equal one next to none', () => {
  for (const [level, size] of [
    ['fast', 20_000_000],
    ['best', 5_000_000],
  ] as const) {
    const old = noise(size, 1);
    const fresh = Buffer.concat([old.subarray(0, 3_000_000), Buffer.from('inserted'), old.subarray(3_000_100)]);
    fresh[4_345_678]! ^= 1;
    const changed = throughCodec(old, fresh, { level, window: size * 0.8, cut: true });
    assert.ok(changed.bytes.equals(fresh));
    assert.ok(changed.size <= 60, `${level}: ${changed.size} bytes`);
    assert.ok(throughCodec(old, old, { level }).size <= 30);
  }
});

test('moved blocks are found wherever they went', () => {
  const old = noise(1 << 20, 2);
  const blocks = Array.from({ length: 16 }, (_, i) => old.subarray(i << 16, (i + 1) << 16)).reverse();
  const fresh = Buffer.concat(blocks);
  for (const level of levels)
    for (const searched of [1 << 20, 1 << 19]) {
      const { bytes, size } = throughCodec(old, fresh, { level, window: 300_000, searched, cut: true });
      assert.ok(bytes.equals(fresh));
      assert.ok(size < 400, `${level}: ${size} bytes`);
    }
});

test('tables of alike entries are aligned entry by entry', () => {
  const entry = (i: number): Buffer => {
    const bytes = Buffer.alloc(24);
    bytes.writeUInt32LE(Math.imul(i, 0x9e3779b1) >>> 0, 0);
    bytes[8] = 8;
    return bytes;
  };
  const table = Array.from({ length: 2000 }, (_, i) => entry(i));
  const fresh = [...table.slice(0, 700), entry(5000), ...table.slice(700, 1500), ...table.slice(1502)];
  const { bytes, size } = throughCodec(Buffer.concat(table), Buffer.concat(fresh));
  assert.ok(bytes.equals(Buffer.concat(fresh)));
  assert.ok(size < 100, `${size} bytes`);
});

test('no more of a big file is asked for at once than a window, and what is far away is found', () => {
  const size = 48 << 20;
  const asked: number[] = [];
  const computed = (from: number): RandomBytes => ({
    size,
    read(offset, length) {
      asked.push(length);
      const bytes = Buffer.allocUnsafe(length);
      // Words that follow from their place; the fresh file begins in the middle of the old one.
      const first = Math.floor(offset / 4);
      for (let i = 0; i < length; i += 4) {
        const word = Math.imul(((from + first + i / 4) % (size / 4)) ^ 0x55aa, 0x9e3779b1);
        bytes.writeInt32LE((word ^ (word >>> 13)) | 0, Math.min(i, length - 4));
      }
      return bytes;
    },
  });
  const out = new ColumnWriter(columnCount);
  const options = { window: 8 << 20, searched: 12 << 20 };
  for (const _ of encodeFile(computed(0), computed(size / 8), 'fast', out, options));
  assert.ok(out.size < 200, `${out.size} bytes`);
  assert.ok(Math.max(...asked) <= 8 << 20);
});

test('a file whose bytes differ here and there is not searched', () => {
  // The same program with another build id: no address changes, so nothing need be found in it.
  const old = readFileSync('/bin/bash');
  const fresh = Buffer.from(old);
  noise(20, 7).copy(fresh, 900);
  fresh[old.length - 1]! ^= 255;
  const { bytes, size, batches } = throughCodec(old, fresh, { window: 300_000 });
  assert.ok(bytes.equals(fresh));
  assert.ok(size < 100, `${size} bytes`);
  assert.equal(batches[0]![column.head]![0], mode.plain);
});
