// Hashing modulo the own hash part: the path that `nix store make-content-addressed` made, and a plain model.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { contentAddressedPath } from '../../src/model/content-address.ts';
import { encodeHash } from '../../src/model/hash.ts';
import { SelfHasher, hashModulo } from '../../src/model/hash-modulo.ts';
import { hashPart, parseBaseName } from '../../src/model/store-path.ts';

test('a content-addressed path that refers to itself', async () => {
  const nar = readFileSync(join(import.meta.dirname, '../golden/nar/ca-self-2.0.nar'));
  const path = parseBaseName('cdqsh579z53pxgavscacln3p33c2g9nq-self-2.0');
  const others = [parseBaseName('nywvvx13da0w74qfcvzmxmhbfw1r9jl2-dep-1.0')];
  for (const size of [1, 31, 32, 33, 1000, nar.length]) {
    const chunks = Array.from({ length: Math.ceil(nar.length / size) }, (_, i) =>
      nar.subarray(i * size, (i + 1) * size),
    );
    const hash = await hashModulo(chunks, hashPart(path));
    assert.equal(encodeHash(hash, 'base16'), '788d61b87599e26d300a76a9b9eea1afef300271afd1372bef7c1c9aa7bc1952');
    assert.equal(contentAddressedPath('/nix/store', { method: 'nar', hash }, 'self-2.0', { others, self: true }), path);
  }
});

test('as the rule says, wherever chunks end', () => {
  const part = 'z'.repeat(31) + 'a';
  const self = fc.constantFrom(part, 'z'.repeat(32), 'z', part.slice(0, 20), 'x'.repeat(40), '');
  fc.assert(
    fc.property(
      fc.array(self, { maxLength: 12 }),
      fc.constantFrom(part, 'z'.repeat(32)),
      fc.integer({ min: 1, max: 70 }),
      (pieces, own, size) => {
        const text = pieces.join('');
        const hasher = new SelfHasher(own);
        for (let at = 0; at < text.length; at += size) hasher.update(Buffer.from(text.slice(at, at + size)));
        const offsets = [...text.matchAll(new RegExp(own, 'g'))].map((match) => match.index);
        const model = text.replaceAll(own, '\0'.repeat(32)) + offsets.map((o) => `|${o}`).join('');
        assert.deepEqual(hasher.offsets, offsets);
        assert.deepEqual(Buffer.from(hasher.digest().bytes), createHash('sha256').update(model).digest());
      },
    ),
    { numRuns: 500 },
  );
});
