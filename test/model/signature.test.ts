// Keys and signatures: the vectors of Nix (seed 00 01 … 1f), fingerprints, malformed keys.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { parseContentAddress } from '../../src/model/content-address.ts';
import { parseHash } from '../../src/model/hash.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import { fingerprint, isContentAddressed, sortedUnique } from '../../src/model/path-info.ts';
import {
  TrustedKeys,
  formatPublicKey,
  formatSecretKey,
  generateKey,
  normaliseSignature,
  parsePublicKey,
  parseSecretKey,
  signPathInfo,
  signText,
} from '../../src/model/signature.ts';
import { parseBaseName } from '../../src/model/store-path.ts';
import * as arbitrary from '../property/arbitraries.ts';

const secretText =
  'vector-test-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==';
const publicText = 'vector-test-1:A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=';
const dep = parseBaseName('y9v4w1kf41c10q7fdxlbz10s0adiximd-dep-1.0');
const self = parseBaseName('ca01sq2ssam9bg824nsmcdnav1mf73ly-self-2.0');
const vectors: readonly (readonly [PathInfo, string, string])[] = [
  [
    {
      path: dep,
      narHash: parseHash('sha256:00kjynz8n03652qccs76ivsvark3pr3dfr6w1ba3x7bx83kcknvv'),
      narSize: 120,
      references: [],
      signatures: [],
    },
    '1;/nix/store/y9v4w1kf41c10q7fdxlbz10s0adiximd-dep-1.0;sha256:00kjynz8n03652qccs76ivsvark3pr3dfr6w1ba3x7bx83kcknvv;120;',
    'vector-test-1:BYlmeNDC4RhFXYj4wum5WQVqRDS+1pT5624jqkntisN5DAtxrZCwxDkDZSghQ4T9p8p1T7B/qUUk93uWCE2YBw==',
  ],
  [
    {
      path: self,
      narHash: parseHash('sha256:075pxrscg6m2jldm221bxpy9n6b3ailbkfznvmi9yaj4j35132r7'),
      narSize: 1416,
      references: [self, dep],
      signatures: [],
    },
    '1;/nix/store/ca01sq2ssam9bg824nsmcdnav1mf73ly-self-2.0;sha256:075pxrscg6m2jldm221bxpy9n6b3ailbkfznvmi9yaj4j35132r7;1416;' +
      '/nix/store/ca01sq2ssam9bg824nsmcdnav1mf73ly-self-2.0,/nix/store/y9v4w1kf41c10q7fdxlbz10s0adiximd-dep-1.0',
    'vector-test-1:TF1JMqa2UNvWKAidu3/W0kuxTnZAnBcH4irJaz/Spm9o9hikuT29nI0jdULOa8gTC0PvZQls95BNaxEDBEemAg==',
  ],
];

suite("Nix's own signatures", () => {
  const secret = parseSecretKey(`${secretText}\n`);
  const trusted = new TrustedKeys([parsePublicKey(publicText)]);
  for (const [info, text, signature] of vectors) {
    test(info.path, () => {
      assert.equal(fingerprint('/nix/store', info), text);
      assert.equal(signText(secret, text), signature);
      const signed = signPathInfo('/nix/store', { ...info, signatures: ['a:AAAA'] }, [secret]);
      assert.deepEqual(signed.signatures, ['a:AAAA', signature]);
      assert.deepEqual(trusted.validSignatures('/nix/store', signed), [signature]);
      assert.deepEqual(trusted.validSignatures('/gnu/store', signed), []);
      assert.deepEqual(trusted.validSignatures('/nix/store', { ...signed, narSize: info.narSize + 1 }), []);
      assert.deepEqual(signPathInfo('/nix/store', signed, [secret]), signed);
      assert.equal(signPathInfo('/nix/store', info, []), info);
    });
  }
  test('keys print as they were read', () => {
    assert.equal(formatSecretKey(secret), secretText);
    assert.equal(formatPublicKey(secret.publicKey), publicText);
  });
});

test('new keys sign and verify; texts round trip', () => {
  const key = generateKey('host.example.org-1');
  const other = generateKey('host.example.org-1');
  const both = new TrustedKeys([other.publicKey, parsePublicKey(formatPublicKey(key.publicKey))]);
  const again = parseSecretKey(formatSecretKey(key));
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const signature = signText(again, text);
      assert.equal(signature, signText(key, text));
      assert.ok(both.verifies(text, signature));
      assert.ok(!new TrustedKeys([other.publicKey]).verifies(text, signature));
      assert.ok(!both.verifies(`${text}.`, signature));
    }),
    { numRuns: 20 },
  );
  assert.deepEqual(both.names(), ['host.example.org-1']);
});

test('malformed signatures match nothing', () => {
  const [info, text, signature] = vectors[0]!;
  const trusted = new TrustedKeys([parsePublicKey(publicText)]);
  const bad = [
    '',
    ':',
    'vector-test-1',
    'vector-test-1:',
    `x${signature}`,
    signature.slice(0, -3),
    signature.replace('BY', 'B!Y'),
    signature.replace(':', '::'),
  ];
  for (const sig of bad) assert.equal(trusted.verifies(text, sig), false, sig);
  assert.deepEqual(new TrustedKeys().validSignatures('/nix/store', { ...info, signatures: [signature] }), []);
  assert.equal(normaliseSignature(signature.slice(0, -2)), signature);
  for (const sig of ['', ':', ':AAAA', 'x:', 'x:!', 'x'])
    assert.throws(() => normaliseSignature(sig), { code: 'format' });
});

suite('refused keys; no message shows a secret', () => {
  const short = Buffer.alloc(31).toString('base64');
  const mixed = `k:${Buffer.concat([Buffer.alloc(32, 1), Buffer.alloc(32, 2)]).toString('base64')}`;
  const cases: readonly (readonly [what: string, read: () => unknown, message: RegExp])[] = [
    ['nothing', () => parsePublicKey(''), /bad public key: expected 'name:base64'/],
    ['no colon', () => parsePublicKey('abc'), /expected 'name:base64'/],
    ['no name', () => parsePublicKey(publicText.slice(13)), /expected 'name:base64'/],
    ['no base 64', () => parsePublicKey('k:a-b'), /not base 64/],
    ['too short', () => parsePublicKey(`k:${short}`), /expected 32 bytes after 'k:', got 31/],
    ['a secret as a public key', () => parsePublicKey(secretText), /expected 32 bytes after 'vector-test-1:', got 64/],
    ['a public as a secret key', () => parseSecretKey(publicText), /bad secret key: expected 64 bytes/],
    ['two secret keys', () => parseSecretKey(`${secretText}\n${secretText}`), /expected one key, .* got more behind/],
    // Stricter than Nix, which would sign with a key that fits no public one.
    [
      'halves that do not belong',
      () => parseSecretKey(mixed),
      /bad secret key: expected 'k' with the public half of its seed, got another/,
    ],
    ['a name with a colon', () => generateKey('a:b'), /bad key name/],
    ['an empty name', () => generateKey(''), /bad key name/],
  ];
  for (const [what, read, message] of cases) {
    test(what, () =>
      assert.throws(read, (error: Error) => {
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /AAECAw|AQEBAQ/);
        return true;
      }),
    );
  }
});

suite('path infos', () => {
  test('content-addressed or not', () => {
    const info: PathInfo = {
      path: parseBaseName('iikppppyxclg6mfvbbg2bwmczvycf4sa-a.txt'),
      narHash: vectors[0]![0].narHash,
      narSize: 120,
      references: [],
      signatures: [],
      ca: parseContentAddress('text:sha256:1a0rbmxh81hbqikkvjnnbmr3g18ygswcczrgchicb0d0q3rkqay4'),
    };
    assert.ok(isContentAddressed('/nix/store', info));
    assert.ok(!isContentAddressed('/gnu/store', info));
    assert.ok(!isContentAddressed('/nix/store', { ...info, references: [dep] }));
    assert.ok(!isContentAddressed('/nix/store', { ...info, references: [info.path] }));
    assert.ok(!isContentAddressed('/nix/store', { ...info, ca: undefined }));
    const own = parseBaseName('cdqsh579z53pxgavscacln3p33c2g9nq-self-2.0');
    const other = parseBaseName('nywvvx13da0w74qfcvzmxmhbfw1r9jl2-dep-1.0');
    const ca = parseContentAddress('fixed:r:sha256:788d61b87599e26d300a76a9b9eea1afef300271afd1372bef7c1c9aa7bc1952');
    assert.ok(isContentAddressed('/nix/store', { ...info, path: own, references: [own, other], ca }));
    assert.ok(!isContentAddressed('/nix/store', { ...info, path: own, references: [other], ca }));
  });
  test('sorted and unique', () => {
    fc.assert(
      fc.property(fc.array(arbitrary.storePath), (paths) => {
        const sorted = sortedUnique([...paths, ...paths]);
        assert.deepEqual(sorted, [...new Set(paths)].sort());
      }),
    );
  });
});
