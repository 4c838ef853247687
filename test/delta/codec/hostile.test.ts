// Columns from somebody who means harm: the decoder refuses them or makes as many bytes as were announced, and does not take
// long about it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeFile } from '../../../src/delta/codec/file.ts';
import { mode } from '../../../src/delta/codec/layout.ts';
import { ColumnReader, ColumnWriter } from '../../../src/delta/columns.ts';
import { isNarrowError } from '../../../src/errors.ts';
import { BitWriter } from './bitcode/bit-writer.ts';
import { lent } from './lent.ts';
import { encoded, noise } from './through-codec.ts';

interface Seed {
  readonly old: Buffer;
  readonly size: number;
  readonly columns: readonly Uint8Array[];
}

function seed(old: Buffer, fresh: Buffer): Seed {
  return { old, size: fresh.length, columns: encoded(old, fresh).batches[0]! };
}

function changed(bytes: Buffer): Buffer {
  const copy = Buffer.concat([
    bytes.subarray(0, bytes.length >> 1),
    noise(40, 3),
    bytes.subarray((bytes.length >> 1) + 7),
  ]);
  for (let at = 100; at < copy.length; at += 997) copy[at]! += 3;
  return copy;
}

function pointers(shift: number): Buffer {
  const bytes = Buffer.alloc(80_000);
  for (let at = 4096; at < bytes.length; at += 16)
    bytes.writeBigUInt64LE(0x700000000n + BigInt((((at * 7) & ~15) + shift) % 70_000), at);
  return bytes;
}

const catalogue = Buffer.from(
  `de12049500000000020000001c0000002c0000000000000000000000010000003c000000010000003e0000000100000040000000010000004200
   00006100620063006400`.replaceAll(/\s/gu, ''),
  'hex',
);

function bitcode(records: number): Buffer {
  const stream = new BitWriter();
  stream.fixed(0xdec04342, 32);
  stream.block(8, 2, 3, () => {
    for (let i = 0; i < records; i++) stream.record(3, i, [BigInt(i) ** 9n, 5n]);
  });
  return stream.bytes();
}

const cat = readFileSync('/bin/cat');
const seeds: readonly Seed[] = [
  seed(noise(5000, 1), changed(noise(5000, 1))),
  seed(cat, changed(cat)),
  seed(pointers(0), pointers(64)),
  seed(catalogue, Buffer.concat([catalogue, Buffer.from('end\0')])),
  seed(bitcode(40), bitcode(41)),
];

/** Decodes; says whether it was refused. Anything but a format error is thrown. */
function isRefused(old: Buffer, size: number, columns: readonly Uint8Array[]): boolean {
  let made = 0;
  try {
    const reader = new ColumnReader(columns);
    for (const chunk of decodeFile(lent(old), size, () => reader)) {
      made += chunk.length;
      assert.ok(made <= size, 'more bytes than announced');
    }
  } catch (error) {
    if (!isNarrowError(error, 'format')) throw error;
    return true;
  }
  assert.equal(made, size);
  return false;
}

test('every kind of delta is among the seeds', () => {
  const kinds = seeds.map(({ columns }) => columns[0]![0]);
  assert.deepEqual(kinds, [mode.plain, mode.executable, mode.dump, mode.catalogue, mode.bitcode]);
  for (const { old, size, columns } of seeds) assert.equal(isRefused(old, size, columns), false);
});

test('mutated columns are refused or make the announced bytes', () => {
  const change = fc.record({ column: fc.nat(), at: fc.nat(), byte: fc.nat(255), cut: fc.boolean() });
  const changes = fc.array(change, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.constantFrom(...seeds), changes, fc.integer({ min: -20, max: 2 }), (from, all, more) => {
      const columns = from.columns.map((column) => Buffer.from(column));
      for (const { column, at, byte, cut } of all) {
        const which = column % columns.length;
        const bytes = columns[which]!;
        if (cut) columns[which] = bytes.subarray(0, at % (bytes.length + 1));
        else if (bytes.length > 0) bytes[at % bytes.length] = byte;
      }
      isRefused(from.old, Math.max(0, from.size + more), columns);
    }),
    { numRuns: 1500 },
  );
});

test('columns of any bytes are refused or make the announced bytes', () => {
  const column = fc.uint8Array({ maxLength: 60 });
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.nat(5),
      fc.array(column, { minLength: 9, maxLength: 9 }),
      (from, how, rest) => {
        const columns = [Buffer.of(how, ...rest[0]!), ...rest.slice(1)];
        isRefused(from.old, from.size, columns);
        isRefused(from.old, 10, columns);
      },
    ),
    { numRuns: 1000 },
  );
});

test('numbers that announce much cost nothing', () => {
  const most = Number.MAX_SAFE_INTEGER;
  for (const how of Object.values(mode))
    for (const numbers of [[most], [64, most], [most, most, most], [0, 0, most, most]])
      for (const { old, size } of seeds) {
        const out = new ColumnWriter(9);
        out.varint(0, how);
        for (const number of numbers) for (let column = 0; column < 9; column++) out.varint(column, number);
        assert.ok(isRefused(old, size, out.take()));
      }
});
