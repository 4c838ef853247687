import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { contentAddressedPath, formatContentAddress, parseContentAddress } from '../../src/model/content-address.ts';
import { formatHash, parseHash } from '../../src/model/hash.ts';
import {
  hashPart,
  isDerivationPath,
  isHashPart,
  makeStorePath,
  parseBaseName,
  parseStorePath,
  pathName,
  printStorePath,
  storeNameFault,
  tryBaseName,
} from '../../src/model/store-path.ts';
import * as arbitrary from '../property/arbitraries.ts';

interface Golden {
  readonly kind: 'source' | 'fixed-flat' | 'fixed-nar' | 'text';
  readonly name: string;
  readonly store_dir?: string;
  readonly hash: string;
  readonly fingerprint: string;
  readonly ca?: string;
  readonly references?: readonly string[];
  readonly made_by: string;
  readonly path: string;
}
const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../golden/store-paths.json'), 'utf8')) as Golden[];

suite('paths that Nix 2.8 made', () => {
  for (const want of golden) {
    test(`${want.made_by}: ${want.path}`, () => {
      const storeDir = want.store_dir ?? '/nix/store';
      const method = ({ source: 'nar', 'fixed-nar': 'nar', 'fixed-flat': 'flat', text: 'text' } as const)[want.kind];
      const ca = { method, hash: parseHash(want.hash) };
      const others = (want.references ?? []).map((r) => parseStorePath(storeDir, r));
      const path = contentAddressedPath(storeDir, ca, want.name, { others, self: false });
      assert.equal(printStorePath(storeDir, path), want.path);
      if (want.ca !== undefined) {
        assert.equal(formatContentAddress(ca), want.ca);
        assert.equal(formatContentAddress(parseContentAddress(want.ca)), want.ca);
      }
      const [, type, hex] = /^(.*):sha256:([0-9a-f]{64}):/.exec(want.fingerprint) ?? [];
      assert.equal(makeStorePath(storeDir, type!, Buffer.from(hex!, 'hex'), want.name), path);
    });
  }
});

test('parts, and sorting as full paths do', () => {
  fc.assert(
    fc.property(arbitrary.storePath, arbitrary.storePath, (a, b) => {
      assert.equal(parseStorePath('/nix/store', printStorePath('/nix/store', a)), a);
      assert.equal(`${hashPart(a)}-${pathName(a)}`, a);
      assert.ok(isHashPart(hashPart(a)));
      const full = Buffer.compare(Buffer.from(`/nix/store/${a}`), Buffer.from(`/nix/store/${b}`));
      assert.equal(Math.sign(full), a < b ? -1 : a > b ? 1 : 0);
    }),
  );
  assert.ok(isDerivationPath(parseBaseName(`${'0'.repeat(32)}-x.drv`)));
});

const digest = 'y9v4w1kf41c10q7fdxlbz10s0adiximd';

test('names: the rules of current Nix', () => {
  for (const good of ['a', '+-._?=', '.x', '...', '..x', 'x'.repeat(211), '-', '.hidden-file']) {
    assert.equal(storeNameFault(good), undefined, good);
  }
  const bad: readonly (readonly [string, RegExp])[] = [
    ['', /empty/],
    ['x'.repeat(212), /212 characters, at most 211/],
    ['a b', /" " at position 1/],
    ['a/b', /"\/" at position 1/],
    ['é', /at position 0/],
    ['a\0', /at position 1/],
    ['.', /begin with '\.'/],
    ['..', /begin with '\.\.'/],
    ['.-x', /begin with '\.'/],
    ['..-x', /begin with '\.\.'/],
  ];
  for (const [name, why] of bad) assert.match(storeNameFault(name) ?? '', why);
});

suite('refused', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /expected a path in \/nix\/store/],
    ['/nix/store', /expected a path in/],
    ['/nix/store/', /got 0 characters/],
    ['/nix/storex/x', /expected a path in/],
    [`/gnu/store/${digest}-x`, /expected a path in/],
    [`/nix/store/${digest}`, /got 32 characters/],
    [`/nix/store/${digest}-`, /got 33 characters/],
    [`/nix/store/${digest}x-y`, /expected '-' after 32 digits, got "x"/],
    [`/nix/store/${digest.toUpperCase()}-x`, /expected 32 base-32 digits first/],
    [`/nix/store/${digest.replace('y', 'e')}-x`, /expected 32 base-32 digits first/],
    [`/nix/store/${digest}-x/bin`, /the character "\/"/],
    [`/nix/store//${digest}-x`, /expected 32 base-32 digits/],
    [`${digest}-x`, /expected a path in/],
  ];
  for (const [text, message] of cases) {
    test(text, () => assert.throws(() => parseStorePath('/nix/store', text), { code: 'format', message }));
  }
  test('a huge text is not repeated whole', () => {
    assert.throws(
      () => parseBaseName('x'.repeat(1e6)),
      (error: Error) => error.message.length < 500,
    );
    assert.equal(tryBaseName('x'), undefined);
  });
});

suite('content addresses', () => {
  test('round trip', () => {
    fc.assert(
      fc.property(arbitrary.contentAddress, (ca) => {
        const { method, hash } = parseContentAddress(formatContentAddress(ca));
        assert.deepEqual([method, formatHash(hash)], [ca.method, formatHash(ca.hash)]);
      }),
    );
  });
  for (const bad of [
    '',
    'x',
    'text',
    'text:',
    'fixed:',
    'fixed:r:',
    'fixed:sha256',
    'fixed:x:sha256:',
    'text:r:sha256:x',
    'r:sha256:x',
    'fixed:sha256-qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc=',
    'text:md5:3y8bwfr609h3lh9ch0izcqq7fl',
  ]) {
    test(`refused: '${bad}'`, () => assert.throws(() => parseContentAddress(bad), { code: 'format' }));
  }
  test('no path for these', () => {
    const path = parseBaseName(`${digest}-x`);
    const cases = [
      ['flat', 'sha256', [path], false],
      ['flat', 'sha256', [], true],
      ['nar', 'sha1', [path], false],
      ['text', 'sha256', [], true],
      ['text', 'md5', [], false],
      ['git', 'sha512', [], false],
    ] as const;
    for (const [method, algo, others, self] of cases) {
      const ca = { method, hash: fc.sample(arbitrary.hashOf(algo), 1)[0]! };
      assert.throws(() => contentAddressedPath('/nix/store', ca, 'x', { others, self }), { code: 'refused' });
    }
  });
});
