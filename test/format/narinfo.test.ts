// Narinfos: golden files both ways, round trips, and each oddity with the verdict that Nix 2.34 gave on the same text
// (`nix path-info --store file://…`).

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { NarrowError } from '../../src/errors.ts';
import type { NarinfoQuirkKind } from '../../src/format/narinfo-quirk.ts';
import { formatNarinfo, maxNarinfoSize, parseNarinfo } from '../../src/format/narinfo.ts';
import { formatHash } from '../../src/model/hash.ts';
import { fingerprint, isContentAddressed } from '../../src/model/path-info.ts';
import { TrustedKeys, parsePublicKey } from '../../src/model/signature.ts';
import * as arbitrary from '../property/arbitraries.ts';

const golden = join(import.meta.dirname, '../golden');
const files = ['cache', 'cache-ca'].flatMap((dir) =>
  readdirSync(join(golden, dir))
    .filter((name) => name.endsWith('.narinfo'))
    .map((name) => join(golden, dir, name)),
);
const key = parsePublicKey('vector-test-1:A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=');
const keys = new TrustedKeys([key]);

suite('golden narinfos', () => {
  for (const file of files) {
    test(file.slice(golden.length + 1), () => {
      const text = readFileSync(file, 'utf8');
      const { info, quirks } = parseNarinfo(readFileSync(file), '/nix/store');
      assert.deepEqual(quirks, []);
      assert.equal(formatNarinfo(info, '/nix/store'), text);
      assert.deepEqual(keys.validSignatures('/nix/store', info), info.signatures);
      assert.equal(isContentAddressed('/nix/store', info), info.ca !== undefined);
      assert.deepEqual(parseNarinfo(text, '/nix/store').info, info);
    });
  }
  test('there are six', () => assert.equal(files.length, 6));
});

test('what is printed is read back, without quirks', () => {
  fc.assert(
    fc.property(arbitrary.narinfo, (info) => {
      const text = formatNarinfo(info, '/gnu/store');
      const { info: back, quirks } = parseNarinfo(text, '/gnu/store');
      assert.deepEqual(quirks, []);
      assert.equal(formatNarinfo(back, '/gnu/store'), text);
      assert.equal(fingerprint('/gnu/store', back), fingerprint('/gnu/store', info));
      assert.deepEqual(back.file?.size, info.file.size);
    }),
    { numRuns: 200 },
  );
});

test('any text gives a result or a format error', () => {
  const line = fc.tuple(
    fc.constantFrom('StorePath', 'URL', 'NarHash', 'NarSize', 'References', 'Sig', 'CA', 'X', '', '__proto__'),
    fc.constantFrom(':', ': ', ' ', '\n', ':\n'),
    fc.oneof(fc.string(), fc.constantFrom('120', '/nix/store/y9v4w1kf41c10q7fdxlbz10s0adiximd-dep-1.0')),
    fc.constantFrom('\n', '', '\r\n'),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      try {
        parseNarinfo(lines.flat().join(''), '/nix/store');
      } catch (error) {
        assert.ok(error instanceof NarrowError && error.code === 'format', String(error));
      }
    }),
    { numRuns: 500 },
  );
});

const dep = readFileSync(join(golden, 'cache/y9v4w1kf41c10q7fdxlbz10s0adiximd.narinfo'), 'utf8');
const reference = 'iikppppyxclg6mfvbbg2bwmczvycf4sa-a.txt';

/** `dep` with the first match replaced; with an absent pattern, lines added at the end. */
function changed(from: RegExp | undefined, to: string): string {
  if (from === undefined) return dep + to;
  assert.match(dep, from);
  return dep.replace(from, () => to);
}

const refused: readonly (readonly [string, RegExp | undefined, string, string])[] = [
  [
    'no colon',
    undefined,
    'nonsense\n',
    "in line 11 of x.narinfo: expected 'Name: value', got 'nonsense' without a colon",
  ],
  [
    'an empty line at the end',
    undefined,
    '\n',
    "in line 11 of x.narinfo: expected 'Name: value', got '' without a colon",
  ],
  ['no line feed at the end', /\n$/, '', 'in line 10 of x.narinfo: expected a line feed at the end of each line'],
  ['cut after a colon', undefined, 'CA:', 'in line 11 of x.narinfo: expected a line feed'],
  ['a carriage return', /NarSize: 120\n/, 'NarSize: 120\r\n', 'bad NarSize of narinfo in line 7 of x.narinfo'],
  ['a space after a size', /NarSize: 120/, 'NarSize: 120 ', "expected a decimal number of bytes, got '120 '"],
  ['a negative size', /NarSize: 120/, 'NarSize: -120', "got '-120'"],
  ['a hexadecimal size', /NarSize: 120/, 'NarSize: 0x78', "got '0x78'"],
  ['an exponent', /NarSize: 120/, 'NarSize: 1e3', "got '1e3'"],
  ['a size of 2^64', /NarSize: 120/, 'NarSize: 18446744073709551616', "got '18446744073709551616'"],
  ['an empty size', /FileSize: 89/, 'FileSize: ', 'bad FileSize of narinfo in line 5 of x.narinfo'],
  ['size zero', /NarSize: 120/, 'NarSize: 0', 'expected a field NarSize above 0, got none'],
  ['no size', /NarSize: 120\n/, '', 'expected a field NarSize above 0, got none'],
  ['no hash', /NarHash: .*\n/, '', 'expected a field NarHash, got none'],
  ['no URL', /URL: .*\n/, '', 'expected a field URL, got none'],
  ['an empty URL', /URL: .*\n/, 'URL: \n', 'expected a field URL, got none'],
  ['no path', /StorePath: .*\n/, '', 'expected a field StorePath, got none'],
  ['a hash without algorithm', /NarHash: sha256:/, 'NarHash: ', 'bad NarHash of narinfo in line 6 of x.narinfo'],
  ['an unknown algorithm', /NarHash: sha256/, 'NarHash: sha255', "unknown algorithm 'sha255'"],
  ['a hash in upper case', /NarHash: sha256:00k/, 'NarHash: sha256:00K', 'bad NarHash'],
  [
    'base 64 without padding',
    /NarHash: .*/,
    'NarHash: sha256:e9vJ5kB9nT7UCtxk10a+Y2a19Y7maMawKGYAi771cgI',
    'bad NarHash',
  ],
  ['a path in another store', /StorePath: \/nix/, 'StorePath: /gnu', 'expected a path in /nix/store'],
  ['a path inside a path', /dep-1.0\n/, 'dep-1.0/bin\n', 'bad StorePath of narinfo in line 1 of x.narinfo'],
  ['a path that climbs out', /store\/y9/, 'store/../y9', 'bad StorePath'],
  [
    'a full path as reference',
    /References: /,
    `References: /nix/store/${reference}`,
    'bad References of narinfo in line 8',
  ],
  ['a tab between references', /References: /, `References: ${reference}\t`, 'bad References'],
  ['two lines of references', /References: /, `References: ${reference}\nReferences: ${reference}`, 'got another one'],
  ['an empty deriver', /Deriver: .*/, 'Deriver: ', 'bad Deriver of narinfo in line 9'],
  ['a full path as deriver', /Deriver: /, 'Deriver: /nix/store/', 'bad Deriver'],
  [
    'a signature without name',
    /Sig: .*/,
    'Sig: foo',
    "bad Sig of narinfo in line 10 of x.narinfo: expected 'name:base64', got 'foo'",
  ],
  ['a signature with an empty name', /Sig: .*/, 'Sig: :AAAA', "expected 'name:base64'"],
  ['a signature that is no base 64', /Sig: .*/, 'Sig: foo:!!!', "expected 'name:base64'"],
  ['an empty signature', /Sig: .*/, 'Sig: foo:', "expected 'name:base64'"],
  ['a content address in SRI', undefined, 'CA: fixed:sha256-e9vJ5kB9nT7UCtxk10a+Y2a19Y7maMawKGYAi771cgI=\n', 'bad CA'],
  ['an unknown content address', undefined, 'CA: foo:bar\n', 'bad CA of narinfo in line 11 of x.narinfo'],
  // Stricter than 2.34, which takes it and then has no path for it; 2.8 refuses it.
  ['text by MD5', undefined, 'CA: text:md5:3y8bwfr609h3lh9ch0izcqq7fl\n', 'text hashes are sha256, got md5'],
  // Stricter: Nix compares with the SHA-256 it computes, so that the path could never be accepted.
  ['a NAR hash by SHA-1', /NarHash: .*/, 'NarHash: sha1:27ahx31f6615vf0zk1pv0h6yndin6n92', 'expected sha256, got sha1'],
  // Stricter: sizes above 2^53 - 1 are no numbers here, and no file is that long.
  ['a size of 2^64 - 1', /NarSize: 120/, 'NarSize: 18446744073709551615', 'bad NarSize'],
  // Stricter: master checks for '-', 2.34 does not.
  [
    'no dash after the digest',
    /Deriver: sinxa9h1zjjj6c3fvnqzwjr2mvnv97ig-/,
    'Deriver: sinxa9h1zjjj6c3fvnqzwjr2mvnv97igx',
    'bad Deriver',
  ],
];

suite('refused, saying where', () => {
  for (const [name, from, to, message] of refused) {
    test(name, () => {
      const fault = (error: unknown): boolean => {
        assert.ok(error instanceof NarrowError, String(error));
        assert.equal(error.code, 'format');
        assert.ok(error.message.includes(message), error.message);
        return true;
      };
      assert.throws(() => parseNarinfo(changed(from, to), '/nix/store', { source: 'x.narinfo' }), fault);
    });
  }
  test('two content addresses', () => {
    const ca = 'CA: text:sha256:1a0rbmxh81hbqikkvjnnbmr3g18ygswcczrgchicb0d0q3rkqay4\n';
    assert.throws(
      () => parseNarinfo(dep + ca + ca, '/nix/store'),
      /bad CA of narinfo in line 12: expected one CA line/,
    );
  });
  test('more than a narinfo can need', () => {
    const long = Buffer.alloc(maxNarinfoSize + 1);
    assert.throws(() => parseNarinfo(long, '/nix/store'), /too large: expected at most 16777216 bytes, got 16777217/);
  });
});

const accepted: readonly (readonly [string, RegExp | undefined, string, readonly NarinfoQuirkKind[]])[] = [
  ['an unknown field', undefined, 'Foo: bar\n', ['unknown-field']],
  ['a field named like a property of objects', undefined, 'constructor: bar\n', ['unknown-field']],
  ['System, of very old files', undefined, 'System: x86_64-linux\n', []],
  ['no compression', /Compression: .*\n/, '', ['compression-missing']],
  ['an empty compression', /Compression: .*/, 'Compression: ', ['compression-missing']],
  ['an unknown compression', /Compression: .*/, 'Compression: foo', ['unknown-compression']],
  ['a plus sign', /NarSize: 120/, 'NarSize: +120', ['number-form']],
  ['leading zeros', /NarSize: 120/, 'NarSize: 0000000000000000000000000120', ['number-form']],
  ['a hash in SRI', /NarHash: .*/, 'NarHash: sha256-e9vJ5kB9nT7UCtxk10a+Y2a19Y7maMawKGYAi771cgI', ['hash-encoding']],
  ['a file hash by MD5', /FileHash: .*/, 'FileHash: md5:3y8bwfr609h3lh9ch0izcqq7fl', ['file-hash-other-algorithm']],
  ['a path with doubled slashes', /store\/y9/, 'store//./y9', ['path-form']],
  ['a path with a slash at its end', /dep-1.0\n/, 'dep-1.0/\n', ['path-form']],
  ['no references', /References: \n/, '', ['references-missing']],
  ['references twice, first empty', /References: \n/, `References: \nReferences: ${reference}\n`, ['repeated-field']],
  ['an unknown deriver', /Deriver: .*/, 'Deriver: unknown-deriver', ['unknown-deriver']],
  ['a deriver that is no derivation', /\.drv\n/, '\n', []],
  ['a signature without padding', /==\n/, '\n', ['signature-form']],
  ['a short signature', /Sig: .*/, 'Sig: foo:AAAA', []],
  ['an empty content address', undefined, 'CA: \n', []],
  ['an empty line inside', /Deriver/, '\nDeriver', ['junk-line']],
  ['no space after the colon', /FileSize: 89/, 'FileSize:89', ['value-without-space']],
  ['a Guix signature', undefined, 'Signature: 1;host;KHNpZ25hdHVyZSk=\n', ['guix-signature']],
];

suite('taken as Nix takes it, with a quirk', () => {
  for (const [name, from, to, kinds] of accepted) {
    test(name, () => {
      const { info, quirks } = parseNarinfo(changed(from, to), '/nix/store');
      assert.deepEqual(
        quirks.map((q) => q.kind),
        kinds,
      );
      assert.equal(info.narSize, 120);
      assert.equal(formatHash(info.narHash), 'sha256:00kjynz8n03652qccs76ivsvark3pr3dfr6w1ba3x7bx83kcknvv');
    });
  }

  test('the value begins two bytes after the colon', () => {
    assert.equal(parseNarinfo(changed(/NarSize: 120/, 'NarSize:120'), '/nix/store').info.narSize, 20);
    const swallowed = parseNarinfo(changed(/URL: .*\n/, 'URL:\n'), '/nix/store');
    assert.equal(swallowed.info.file?.url, 'Compression: zstd');
    assert.equal(swallowed.info.file?.compression, 'bzip2');
    assert.throws(
      () => parseNarinfo(changed(/URL: .*\n(?=Comp)/, 'URL:\n').replace('NarSize: 120', 'NarSize: x'), '/nix/store'),
      /line 7/,
    );
  });

  test('compression not given is bzip2', () => {
    assert.equal(parseNarinfo(changed(/Compression: .*\n/, ''), '/nix/store').info.file?.compression, 'bzip2');
  });

  test('the last of repeated fields wins; Guix repeats URL, Compression and FileSize', () => {
    const twice = changed(
      /(URL: .*\nCompression: .*\n)/,
      'URL: a\nCompression: gzip\nFileSize: 7\nURL: b\nCompression: none\n',
    );
    const { info, quirks } = parseNarinfo(twice, '/nix/store');
    assert.deepEqual([info.file?.url, info.file?.compression, info.file?.size], ['b', 'none', 89]);
    assert.deepEqual(
      quirks.map((q) => [q.kind, q.line, q.field]),
      [
        ['repeated-field', 5, 'URL'],
        ['repeated-field', 6, 'Compression'],
        ['repeated-field', 8, 'FileSize'],
      ],
    );
  });

  test('a deriver is not unsaid', () => {
    const { info } = parseNarinfo(`${dep}Deriver: unknown-deriver\n`, '/nix/store');
    assert.equal(info.deriver, 'sinxa9h1zjjj6c3fvnqzwjr2mvnv97ig-dep-1.0.drv');
  });

  test('references are sorted and made unique', () => {
    const other = 'wvf8kazikiir4c9qp6z92w7p8z372shk-b.txt';
    const given = `References: ${other}  ${reference} ${other}`;
    const { info, quirks } = parseNarinfo(changed(/References: /, given), '/nix/store');
    assert.deepEqual(info.references, [reference, other]);
    assert.deepEqual(
      quirks.map((q) => q.kind),
      ['references-order'],
    );
  });
});

test('a value that would break the lines is not written', () => {
  const { info } = parseNarinfo(dep, '/nix/store');
  const evil = { ...info, file: { url: 'x\nSig: a:b', compression: 'none' } };
  assert.throws(() => formatNarinfo(evil, '/nix/store'), /line feed in "URL: x\\nSig: a:b"/);
  assert.throws(() => formatNarinfo({ ...info, file: undefined }, '/nix/store'), /without a file/);
});
