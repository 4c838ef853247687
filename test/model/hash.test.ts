import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { encodeBase32 } from '../../src/model/base32.ts';
import type { HashAlgo } from '../../src/model/hash.ts';
import { encodeHash, equalHash, foldHash, formatHash, formatSri, hashBytes, parseHash } from '../../src/model/hash.ts';
import * as arbitrary from '../property/arbitraries.ts';

interface Golden {
  readonly input: string;
  readonly input_hex: string;
  readonly algo: HashAlgo;
  readonly base16: string;
  readonly base32: string;
  readonly base64: string;
  readonly sri: string;
  readonly truncated160_base32?: string;
}
const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../golden/hashes.json'), 'utf8')) as {
  hashes: Golden[];
};

suite('as Nix 2.8', () => {
  for (const want of golden.hashes) {
    test(`${want.algo} of ${want.input}`, () => {
      const input =
        want.input === 'bytes-0-255'
          ? Uint8Array.from({ length: 256 }, (_, i) => i)
          : Buffer.from(want.input_hex, 'hex');
      const hash = hashBytes(input, want.algo);
      assert.equal(encodeHash(hash, 'base16'), want.base16);
      assert.equal(encodeHash(hash, 'base32'), want.base32);
      assert.equal(encodeHash(hash, 'base64'), want.base64);
      assert.equal(formatSri(hash), want.sri);
      if (want.truncated160_base32 !== undefined) {
        assert.equal(encodeBase32(foldHash(hash.bytes, 20)), want.truncated160_base32);
      }
      for (const text of [want.base16, want.base32, want.base64, want.base16.toUpperCase()]) {
        assert.ok(equalHash(parseHash(text, want.algo), hash));
        assert.ok(equalHash(parseHash(`${want.algo}:${text}`), hash));
      }
      assert.ok(equalHash(parseHash(want.sri), hash));
    });
  }
});

test('round trips in every form', () => {
  fc.assert(
    fc.property(arbitrary.hash, (hash) => {
      const back = [
        ...(['base16', 'base32', 'base64'] as const).map((encoding) => parseHash(formatHash(hash, encoding))),
        parseHash(formatSri(hash), hash.algo),
        parseHash(encodeHash(hash, 'base32'), hash.algo),
      ];
      for (const b of back) assert.deepEqual(b, { algo: hash.algo, bytes: hash.bytes });
    }),
  );
});

const sha = '0ix4jahrkll5zg01wandq78jw3ab30q4nscph67rniqg5x7r0j59';
const b64 = 'qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc=';

test('as lax as Nix: line feeds in base 64, SRI without padding or with more after it', () => {
  for (const text of [
    `sha256-${b64.slice(0, -1)}`,
    `sha256-${b64}=junk`,
    `sha256-${b64.slice(0, 4)}\n${b64.slice(4)}`,
  ]) {
    assert.equal(formatHash(parseHash(text)), `sha256:${sha}`);
  }
});

suite('refused', () => {
  const cases: readonly (readonly [text: string, algo: HashAlgo | undefined, message: RegExp])[] = [
    [sha, undefined, /names no algorithm/],
    ['', 'sha256', /expected 64 hexadecimal, 52 base-32 or 44 base-64 digits, got 0/],
    [`sha256:${sha.slice(1)}`, undefined, /got 51 characters/],
    [`sha256:${b64.slice(0, -1)}`, undefined, /got 43 characters/],
    [`sha256:${b64.slice(0, 4)}\n${b64.slice(4)}`, undefined, /got 45 characters/],
    [`sha1:${sha}`, undefined, /expected 40 hexadecimal/],
    [`sha256:${sha}`, 'sha1', /expected sha1, got sha256/],
    [`SHA256:${sha}`, undefined, /unknown algorithm 'SHA256'/],
    [`blake3:${sha}`, undefined, /unknown algorithm 'blake3'/],
    [`constructor:${sha}`, undefined, /unknown algorithm/],
    [`sha256:${sha.toUpperCase()}`, undefined, /bad hash/],
    [`sha256-${sha}`, undefined, /bad hash/],
    [`sha256-${b64.replace('+', '-')}`, undefined, /bad hash/],
    [`sha256:${'g'.repeat(64)}`, undefined, /bad hash/],
    [`x${'y'.repeat(100_000)}`, 'md5', /got 100001 characters of '.{81}'$/],
  ];
  for (const [text, algo, message] of cases) {
    test(text.slice(0, 70), () => assert.throws(() => parseHash(text, algo), { code: 'format', message }));
  }
});
