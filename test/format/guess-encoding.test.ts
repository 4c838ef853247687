import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../../src/bytes/source.ts';
import { encodableEncodings, encode } from '../../src/format/compression.ts';
import { decodeGuessed, guessEncoding } from '../../src/format/guess-encoding.ts';

const text = Buffer.from('nix-archive-1 '.repeat(1000));

/** One byte a chunk: the magic is spread over several. */
async function* single(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) for (const byte of chunk) yield Uint8Array.of(byte);
}

test('every encoding is recognised by its first bytes, brotli by its name', async () => {
  for (const encoding of encodableEncodings) {
    const name = encoding === 'br' ? 'x.nar.br' : undefined;
    const encoded = single(encode(encoding, [text]));
    assert.deepEqual(await collect(decodeGuessed(encoded, { name })), text, encoding);
  }
});

test('what has no magic is taken as it is, however short', async () => {
  for (const bytes of [Buffer.alloc(0), Buffer.of(0x1f), Buffer.alloc(8), text]) {
    assert.deepEqual(await collect(decodeGuessed([bytes])), bytes);
  }
  assert.equal(guessEncoding(Buffer.from('0d000000000000006e69782d', 'hex'), 'x.nar.xz'), 'none');
});

test('an encoding that is named is not guessed', async () => {
  await assert.rejects(collect(decodeGuessed([text], { encoding: 'xz', name: 'x' })), { code: 'format' });
});
