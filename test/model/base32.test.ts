import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { base32Length, decodeBase32, encodeBase32, isBase32 } from '../../src/model/base32.ts';

const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../golden/hashes.json'), 'utf8')) as {
  nix32_plain: { hex: string; nix32: string }[];
  decode_cases: { text: string; algo: string; why: string; nix280: string }[];
};

for (const { hex, nix32 } of golden.nix32_plain) {
  test(`${nix32 === '' ? 'nothing' : nix32}, both ways`, () => {
    assert.equal(encodeBase32(Buffer.from(hex, 'hex')), nix32);
    assert.deepEqual(decodeBase32(nix32, hex.length / 2), Uint8Array.from(Buffer.from(hex, 'hex')));
  });
}

for (const { text, why, nix280 } of golden.decode_cases) {
  test(`as Nix 2.8: ${why}`, () => {
    const bytes = decodeBase32(text, 32);
    assert.equal(
      bytes && `accept ${Buffer.from(bytes).toString('hex')}`,
      nix280.startsWith('accept') ? nix280 : undefined,
    );
  });
}

test('round trip, and one text for each value', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      const text = encodeBase32(bytes);
      assert.equal(text.length, base32Length(bytes.length));
      assert.ok(isBase32(text));
      assert.deepEqual(decodeBase32(text, bytes.length), bytes);
    }),
  );
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('0', '1', '7', 'z', 'e', 'Z'), minLength: 52, maxLength: 52 }),
      (text) => {
        const bytes = decodeBase32(text, 32);
        if (bytes) assert.equal(encodeBase32(bytes), text);
        else assert.ok(!isBase32(text) || text[0]! > '1');
      },
    ),
  );
});

test('no letters but its own', () => {
  for (const bad of ['e', 'o', 'u', 't', 'A', ' ', '\0', 'é', '\u{1f600}']) assert.equal(isBase32(bad), false, bad);
});
