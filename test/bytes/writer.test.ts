import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteStringOf } from '../../src/bytes/byte-string.ts';
import { u64At, u64Text } from '../../src/bytes/u64.ts';
import { ByteWriter } from '../../src/bytes/writer.ts';

test('integers and strings as Nix writes them', () => {
  const bytes = new ByteWriter(1).u64(0x0102030405).boolean(true).string(byteStringOf('ab')).texts(['é']).take();
  assert.equal(
    bytes.toString('hex'),
    '0504030201000000' +
      '0100000000000000' +
      '02000000000000006162000000000000' +
      '0100000000000000' +
      '0200000000000000c3a9000000000000',
  );
});

test('a string of bytes is one byte a character', () => {
  const bytes = new ByteWriter()
    .string(byteStringOf('é'))
    .strings([Buffer.from([0xff]), byteStringOf('')])
    .take();
  assert.equal(
    bytes.toString('latin1'),
    '\x02\0\0\0\0\0\0\0\xc3\xa9\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0',
  );
});

test('taking empties the writer and keeps the bytes', () => {
  const writer = new ByteWriter().u64(1);
  const first = writer.take();
  assert.equal(writer.length, 0);
  writer.u64(2);
  assert.equal(u64At(first, 0), 1);
});

test('numbers that u64 cannot hold exactly are refused', () => {
  for (const bad of [-1, 0.5, Number.NaN, 2 ** 53]) assert.throws(() => new ByteWriter().u64(bad), RangeError);
  const bytes = new ByteWriter().u64(Number.MAX_SAFE_INTEGER).take();
  assert.equal(u64At(bytes, 0), Number.MAX_SAFE_INTEGER);
  assert.equal(u64Text(bytes, 0), String(Number.MAX_SAFE_INTEGER));
});
