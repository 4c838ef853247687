import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ColumnReader, ColumnWriter } from '../../src/delta/columns.ts';

const value = fc.oneof(
  fc.record({ kind: fc.constant('varint' as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('signed' as const), value: fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 }) }),
  fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 300 }) }),
);

test('what is written into columns is read from them', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ column: fc.nat(3), what: value })), (rows) => {
      const out = new ColumnWriter(4);
      for (const { column, what } of rows) {
        if (what.kind === 'bytes') out.bytes(column, what.value);
        else out[what.kind](column, what.value);
      }
      const input = new ColumnReader(out.take());
      for (const { column, what } of rows) {
        if (what.kind === 'bytes')
          assert.deepEqual(Buffer.from(input.bytes(column, what.value.length)), Buffer.from(what.value));
        else assert.equal(input[what.kind](column), what.value);
      }
      input.expectEnd();
      assert.equal(out.size, 0);
    }),
  );
});

test('a column that ends too early is told with its place', () => {
  const error = /offset 0 of column 1 of the delta/;
  assert.throws(() => new ColumnReader([Buffer.of(), Buffer.of(0x80)]).varint(1), error);
  assert.throws(() => new ColumnReader([Buffer.of(), Buffer.of(1, 2)]).bytes(1, 3), error);
  assert.throws(() => new ColumnReader([Buffer.of(), Buffer.of(1)]).expectEnd(), error);
});

test('numbers above 2^53 are refused', () => {
  for (const bytes of [Buffer.alloc(9, 0xff), Buffer.from('ffffffffffffff7f', 'hex')])
    assert.throws(() => new ColumnReader([bytes]).varint(0), /below 2\^53/);
});
