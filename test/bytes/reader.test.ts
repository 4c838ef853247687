import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteString, byteStringOf } from '../../src/bytes/byte-string.ts';
import { ByteReader } from '../../src/bytes/reader.ts';
import { collect } from '../../src/bytes/source.ts';
import { ByteWriter } from '../../src/bytes/writer.ts';
import { scribbling, scribblingLater } from './scribble.ts';

const u64s = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }));
const messages = fc.array(fc.oneof(u64s, fc.uint8Array({ maxLength: 60 })), { maxLength: 12 });

test('what the writer writes the reader reads, however it is cut', async () => {
  const sizes = fc.integer({ min: 1, max: 40 });
  await fc.assert(
    fc.asyncProperty(messages, sizes, fc.boolean(), async (message, size, later) => {
      const writer = new ByteWriter(1);
      for (const part of message) {
        if (typeof part === 'number') writer.u64(part);
        else writer.string(part);
      }
      const bytes = writer.take();
      await using reader = new ByteReader((later ? scribblingLater : scribbling)(bytes, size));
      for (const part of message) {
        if (typeof part === 'number') assert.equal(reader.tryU64() ?? (await reader.u64()), part);
        else assert.equal(await reader.string(), byteString(part));
      }
      assert.equal(reader.position, bytes.length);
      assert.ok(await reader.atEnd());
    }),
    { numRuns: 200 },
  );
});

test('try answers only when all is at hand, and consumes nothing otherwise', async () => {
  const bytes = new ByteWriter().u64(7).string(byteStringOf('hello')).take();
  await using reader = new ByteReader(scribbling(bytes, 12));
  assert.equal(reader.tryU64(), undefined);
  assert.equal(await reader.u64(), 7);
  assert.equal(reader.tryU64(), undefined);
  assert.equal(reader.tryString(), undefined);
  assert.equal(reader.position, 8);
  assert.equal(await reader.string(), 'hello');
});

test('a claimed length allocates nothing', async () => {
  const huge = Buffer.alloc(8, 0xff);
  await assert.rejects(new ByteReader([huge], 'x.bin').string(), {
    message: 'a string is too long at offset 0 of x.bin: expected at most 1048576 bytes, got 18446744073709551615',
  });
  await assert.rejects(new ByteReader([huge]).u64(), /integer out of range at offset 0/);
  const claim = new ByteWriter().u64(2 ** 40).take();
  const before = process.memoryUsage().arrayBuffers;
  await assert.rejects(
    new ByteReader([claim, Buffer.alloc(100)]).string(2 ** 41),
    /unexpected end of input at offset 108/,
  );
  assert.ok(process.memoryUsage().arrayBuffers - before < 1e6);
});

test('padding must be zero, also when it comes in another chunk', async () => {
  const bytes = new ByteWriter().string(byteStringOf('abc')).take();
  bytes[13] = 1;
  for (const size of [1, 3, 8, 12, 16]) {
    await assert.rejects(new ByteReader(scribbling(bytes, size)).string(), {
      message: 'non-zero padding at offset 13: expected a zero byte, got byte 0x01',
    });
  }
});

test('take stops in time, and the reader goes on from where it was left', async () => {
  const bytes = Buffer.from('0123456789abcdef');
  await using reader = new ByteReader(scribbling(bytes, 5));
  assert.equal((await collect(reader.take(7))).toString(), '0123456');
  for await (const part of reader.take(4)) {
    assert.equal(Buffer.from(part).toString(), '789');
    break;
  }
  assert.equal(reader.position, 10);
  assert.equal((await collect(reader.rest())).toString(), 'abcdef');
  await assert.rejects(
    reader.bytes(1),
    /unexpected end of input at offset 16: expected 1 more bytes of 1 bytes, got nothing/,
  );
});

test('peek and consume share a chunk with the primitives', async () => {
  await using reader = new ByteReader(scribbling(Buffer.from('abcdefgh'), 4));
  assert.equal(Buffer.from((await reader.peek())!).toString(), 'abcd');
  reader.consume(3);
  assert.equal(Buffer.from((await reader.peek())!).toString(), 'd');
  assert.throws(() => reader.consume(2), RangeError);
  await assert.rejects(reader.expectEnd('the test'), /bytes after the end of the test at offset 3/);
});

test('disposing releases the source', async () => {
  let released = false;
  async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield Buffer.alloc(10);
      yield Buffer.alloc(10);
    } finally {
      released = true;
    }
  }
  {
    await using reader = new ByteReader(source());
    await reader.u64();
  }
  assert.ok(released);
});
