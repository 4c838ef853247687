import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { Translator, context } from '../../src/delta/translate.ts';
import { hashPartMaps, soup } from './arbitraries.ts';
import { defined } from './defined.ts';

function* inPieces(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  // one buffer for all pieces, scribbled over: chunks are borrowed
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const piece = Buffer.from(bytes.subarray(at, at + Math.max(1, sizes[i % sizes.length]!)));
    at += piece.length;
    yield piece;
    piece.fill(0x7a);
  }
}

const joined = (chunks: Iterable<Uint8Array>): Buffer => {
  const copies: Buffer[] = [];
  for (const chunk of chunks) copies.push(Buffer.from(chunk));
  return Buffer.concat(copies);
};

const hash = (digit: string): string => digit.repeat(32);

describe('translation', () => {
  it('follows its definition, whole and in pieces of any size', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 130 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(
        hashPartMaps.chain((map) => fc.tuple(fc.constant(map), soup(map), pieces)),
        ([map, bytes, sizes]) => {
          const by = new Translator(map);
          const expected = defined(bytes, map);
          assert.deepEqual(Buffer.from(by.whole(bytes)), expected);
          const own = Buffer.from(bytes);
          by.inPlace(own);
          assert.deepEqual(own, expected);
          assert.deepEqual(joined(by.stream(inPieces(bytes, sizes), bytes.length)), expected);
          assert.deepEqual(Buffer.from(by.text(bytes.toString('latin1') as ByteString), 'latin1'), expected);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('needs to see no more than its context around a range', () => {
    fc.assert(
      fc.property(
        hashPartMaps.chain((map) => fc.tuple(fc.constant(map), soup(map), fc.nat(400), fc.nat(100))),
        ([map, bytes, at, length]) => {
          const start = Math.min(at, bytes.length);
          const end = Math.min(start + length, bytes.length);
          const from = Math.max(0, start - context);
          const part = Buffer.from(new Translator(map).whole(bytes.subarray(from, end + context)));
          assert.deepEqual(part.subarray(start - from, end - from), defined(bytes, map).subarray(start, end));
        },
      ),
      { numRuns: 400 },
    );
  });

  it('replaces at the borders of the steps that large files are read in', () => {
    const map = new Map([[hash('a'), hash('b')]]);
    for (const shift of [-33, -32, -31, -1, 0, 1]) {
      const bytes = Buffer.alloc(600_000, '-');
      for (const border of [256 * 1024, 512 * 1024]) bytes.write(hash('a'), border + shift, 'latin1');
      assert.deepEqual(joined(new Translator(map).stream([bytes], undefined)), defined(bytes, map));
    }
  });

  it('does chains and swaps at once', () => {
    const by = new Translator(
      new Map([
        [hash('a'), hash('b')],
        [hash('b'), hash('c')],
        [hash('x'), hash('y')],
        [hash('y'), hash('x')],
      ]),
    );
    const text = `${hash('a')} ${hash('b')} ${hash('x')} ${hash('y')}` as ByteString;
    assert.equal(by.text(text), `${hash('b')} ${hash('c')} ${hash('y')} ${hash('x')}`);
  });

  it('leaves overlapping occurrences alone', () => {
    const by = new Translator(
      new Map([
        [`${'a'.repeat(31)}b`, hash('1')],
        [`b${'c'.repeat(31)}`, hash('2')],
      ]),
    );
    assert.equal(by.text(`${'a'.repeat(31)}b${'c'.repeat(31)}` as ByteString), `${'a'.repeat(31)}b${'c'.repeat(31)}`);
    assert.equal(by.text(`${'a'.repeat(31)}bb${'c'.repeat(31)}` as ByteString), hash('1') + hash('2'));
    // thirty-three of a digit hold the key twice
    assert.equal(new Translator(new Map([[hash('a'), hash('b')]])).text('a'.repeat(33) as ByteString), 'a'.repeat(33));
  });

  it('refuses what are no hash parts', () => {
    assert.throws(() => new Translator(new Map([['abc', hash('a')]])), /32 digits/);
    assert.throws(() => new Translator(new Map([[hash('e'), hash('a')]])), /base 32/);
    assert.throws(() => new Translator(new Map([[hash('a'), 'abc']])), /32 digits/);
  });
});
