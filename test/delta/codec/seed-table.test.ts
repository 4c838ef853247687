import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SeedTable } from '../../../src/delta/codec/seed-table.ts';

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function placesOf(table: SeedTable, bytes: Uint8Array, at: number): number[] {
  const places: number[] = [];
  for (let place = table.find(view(bytes), at); place >= 0; place = table.next()) places.push(place);
  return places;
}

test('a seed is found where it stands, in the range that was taken up', () => {
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 400 });
  fc.assert(
    fc.property(bytes, fc.nat(400), fc.nat(400), fc.constantFrom(1, 4, 8), (old, from, less, step) => {
      const table = new SeedTable(8, step);
      const [start, end] = [Math.min(from, old.length), Math.max(0, old.length - less)];
      table.load(old, start, end);
      for (let at = 0; at + 8 <= old.length; at++)
        for (const place of placesOf(table, old, at)) {
          assert.ok(place % step === 0 && place >= start && place + 8 <= end);
        }
    }),
  );
});

test('of a seed that stands twice the last even and odd places are told', () => {
  const old = Buffer.alloc(64);
  for (const at of [8, 24, 48]) old.write('seedseed', at);
  const table = new SeedTable(8, 8);
  table.load(old, 0, old.length);
  assert.deepEqual(placesOf(table, Buffer.from('seedseed'), 0), [48, 24]);
  table.load(Buffer.alloc(64), 0, 64);
  assert.deepEqual(placesOf(table, Buffer.from('seedseed'), 0), []);
});

test('places of one byte value all over are put in but once', () => {
  const table = new SeedTable(8, 1);
  table.load(Buffer.alloc(5000, 7), 0, 5000);
  assert.deepEqual(placesOf(table, Buffer.alloc(8, 7), 0), [0]);
});
