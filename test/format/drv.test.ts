// Derivations as text: Nix's own, both ways; round trips; malformed ones.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { NarrowError } from '../../src/errors.ts';
import { formatDrv, maxDrvSize, parseDrv } from '../../src/format/drv.ts';
import { derivationKind, derivationReferences } from '../../src/model/derivation.ts';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { goldenDrv, goldenDrvs, goldenPath, goldenText } from '../golden/drv-index.ts';
import * as arbitrary from '../property/arbitraries.ts';

suite('golden derivations', () => {
  for (const golden of goldenDrvs) {
    test(golden.file, () => {
      const drv = goldenDrv(goldenPath(golden));
      assert.deepEqual(formatDrv(drv, '/nix/store'), goldenText(golden.file));
      assert.equal(drv.name, golden.name);
      assert.equal(derivationKind(drv.outputs), golden.kind.replace('-ca', ''));
      assert.deepEqual(
        derivationReferences(drv).map((p) => `/nix/store/${p}`),
        golden.references,
      );
    });
  }
  test('there are fifteen', () => assert.equal(goldenDrvs.length, 15));
});

test('what is printed is read back', () => {
  fc.assert(
    fc.property(arbitrary.derivation, (drv) => {
      fc.pre(!drv.env.has('__json' as ByteString));
      assert.deepEqual(parseDrv(formatDrv(drv, '/nix/store'), drv.name, '/nix/store'), drv);
    }),
    { numRuns: 300 },
  );
});

test('any bytes give a derivation or a format error', () => {
  const golden = goldenDrvs.map(({ file }) => goldenText(file));
  const change = fc.tuple(fc.constantFrom(...golden), fc.nat(), fc.nat({ max: 3 }), fc.uint8Array({ maxLength: 3 }));
  fc.assert(
    fc.property(change, ([text, at, cut, put]) => {
      const start = at % text.length;
      const changed = Buffer.concat([text.subarray(0, start), put, text.subarray(start + cut)]);
      try {
        parseDrv(changed, 'dep-1.0', '/nix/store');
      } catch (error) {
        assert.ok(error instanceof NarrowError && error.code === 'format', String(error));
      }
    }),
    { numRuns: 500 },
  );
});

const node = '(["out"],[("out",["a","b"]),("z",([],[("y",["x"])]))])';
const dynWith = (n: string): string =>
  `DrvWithVersion("xp-dyn-drv",[("out","","","")],[("/nix/store/sinxa9h1zjjj6c3fvnqzwjr2mvnv97ig-dep-1.0.drv",${n})],[],"","",[],[])`;
const dyn = dynWith(node);

suite('derivations made by derivations', () => {
  test('both ways', () => {
    const drv = parseDrv(Buffer.from(dyn), 'x', '/nix/store');
    const [first] = drv.inputDrvs.values();
    assert.deepEqual(first?.outputs, ['out']);
    assert.deepEqual(first?.dynamic.get('out')?.outputs, ['a', 'b']);
    assert.deepEqual(first?.dynamic.get('z')?.dynamic.get('y')?.outputs, ['x']);
    assert.equal(formatDrv(drv, '/nix/store').toString(), dyn);
  });
  test('the newer head is dropped where nothing is dynamic', () => {
    const drv = parseDrv(
      Buffer.from('DrvWithVersion("xp-dyn-drv",[("out","","","")],[],[],"","",[],[])'),
      'x',
      '/nix/store',
    );
    assert.equal(formatDrv(drv, '/nix/store').toString(), 'Derive([("out","","","")],[],[],"","",[],[])');
  });
  test('not in the old form', () => {
    const old = dyn.replace('DrvWithVersion("xp-dyn-drv",', 'Derive(');
    assert.throws(() => parseDrv(Buffer.from(old), 'x', '/nix/store'), /at offset 86: expected '\['/);
  });
  test('not without end', () => {
    const deep = `${'([],[("o",'.repeat(100)}["x"]${')])'.repeat(100)}`;
    assert.throws(() => parseDrv(Buffer.from(dynWith(deep)), 'x', '/nix/store'), /at most 64 levels/);
  });
});

const base = 'Derive([("out","","","")],[],[],"x86_64-linux","/bin/sh",["-c","echo"],[("a","b")])';
const dep = '/nix/store/y9v4w1kf41c10q7fdxlbz10s0adiximd-dep-1.0';
const sha = 'a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447';
const out = '("out","","","")';

const refused: readonly (readonly [what: string, from: string, to: string, message: string])[] = [
  [
    'another head',
    'Derive',
    'derive',
    'at offset 0 of x.drv: expected \'Derive(\' or \'DrvWithVersion(\', got \'derive([("out","",""\'',
  ],
  [
    'an unknown version',
    'Derive(',
    'DrvWithVersion("xp",',
    "at offset 15 of x.drv: expected version 'xp-dyn-drv', got 'xp'",
  ],
  ['a space', ',[],', ', [],', "at offset 26 of x.drv: expected '['"],
  ['nothing', base, '', 'at offset 0 of x.drv'],
  ['the end too early', '[("a","b")])', '[("a","b")]', "expected ')', got the end of the text"],
  ['an open string', '"b")])', '"b)])', 'at offset 77 of x.drv: expected a closing quote, got the end of the text'],
  ['an escaped last quote', '"b")])', '"b\\")])', 'at offset 77 of x.drv: expected a closing quote'],
  ['bytes after the end', '")])', '")])\n', "expected the end of the text, got '\\x0a'"],
  ['no outputs', out, '', 'expected outputs of one kind, got bad outputs: expected at least one, got none'],
  ['an output twice', out, `${out},${out}`, "expected each name once, got 'out' again"],
  [
    'a variable twice',
    '("a","b")',
    '("a","b"),("a","c")',
    "at offset 83 of x.drv: expected each name once, got 'a' again",
  ],
  ['kinds mixed', out, `("dev","${dep}","",""),${out}`, 'expected one kind, got input-addressed beside deferred'],
  [
    'algorithms mixed',
    out,
    '("dev","","md5",""),("out","","sha1","")',
    'expected one hash algorithm, got md5 beside sha1',
  ],
  ['a fixed output beside others', out, `("dev","","sha256","${sha}")`, 'at offset 15'],
  ['a hash without algorithm', out, `("out","${dep}","","${sha}")`, 'expected no hash without an algorithm'],
  ['an unknown algorithm', out, '("out","","r:sha3","")', "got 'r:sha3'"],
  ['a hash too short', out, `("out","${dep}","sha256","${sha.slice(1)}")`, 'bad hash'],
  ['a hash with its algorithm', out, `("out","${dep}","sha256","sha256:${sha}")`, 'expected a bare hash'],
  ['a path that is not that of the hash', out, `("out","${dep}","sha256","${sha}")`, 'of its hash, got'],
  ['a path of a floating output', out, `("out","${dep}","sha256","")`, 'expected no path of the floating output'],
  ['a path of an impure output', out, `("out","${dep}","sha256","impure")`, 'expected no path of the impure output'],
  ['text by MD5', out, '("out","","text:md5","d41d8cd98f00b204e9800998ecf8427e")', 'expected sha256 for text, got md5'],
  ['a path in another store', out, '("out","/gnu/store/x","","")', 'expected a path in /nix/store'],
  ['a path that is not canonical', out, `("out","${dep.replace('store/', 'store//')}","","")`, 'bad store path'],
  ['an output that no path can have', out, '("o/ut","","","")', 'at offset 9 of x.drv: expected the name of an output'],
  ['an input without outputs', '],[],', `],[("${dep}.drv",[])],`, 'expected at least one output, got none'],
  ['a source that is no path', '[],"x86', '["/etc/passwd"],"x86', 'expected a path in /nix/store'],
  ['no comma', '"-c","echo"', '"-c""echo"', "expected ',' or ']', got '\"echo\"],"],
  ['two commas', '"-c","echo"', '"-c",,"echo"', 'expected \'"\', got \',"echo"],'],
  ['a comma at the end', '"echo"]', '"echo",]', "expected '\"', got '],"],
  ['structured attributes that are no JSON', '("a","b")', '("__json","{")', 'expected JSON in __json'],
  [
    'structured attributes that are no object',
    '("a","b")',
    '("__json","[]")',
    'expected a JSON object in __json, got another value',
  ],
];

suite('refused, saying where', () => {
  for (const [what, from, to, message] of refused) {
    test(what, () => {
      assert.ok(base.includes(from));
      const text = Buffer.from(base.replace(from, () => to));
      assert.throws(
        () => parseDrv(text, 'x', '/nix/store', { source: 'x.drv' }),
        (error: unknown) => {
          assert.ok(error instanceof NarrowError && error.code === 'format', String(error));
          assert.ok(error.message.includes(message), error.message);
          return true;
        },
      );
    });
  }
  test('too long', () =>
    assert.throws(() => parseDrv(Buffer.alloc(maxDrvSize + 1), 'x', '/nix/store'), /at most 67108864/));
  test('a million backslashes, in which a reader that begins anew at each would never end', () => {
    const text = base.replace('echo', () => '\\\\'.repeat(1_000_000));
    assert.equal(parseDrv(Buffer.from(text), 'x', '/nix/store').args[1]?.length, 1_000_000);
  });
});

test('unsorted sets are taken and printed sorted; any byte may be escaped', () => {
  const text = base.replace('("a","b")', () => '("b","\\x\\"\\\\\\n"),("a","\xff")');
  const drv = parseDrv(Buffer.from(text, 'latin1'), 'x', '/nix/store');
  assert.deepEqual(
    [...drv.env],
    [
      ['a', '\xff'],
      ['b', 'x"\\\n'],
    ],
  );
  assert.ok(formatDrv(drv, '/nix/store').toString('latin1').endsWith('[("a","\xff"),("b","x\\"\\\\\\n")])'));
});

test('a system that would need escapes is not printed', () => {
  const drv = parseDrv(Buffer.from(base), 'x', '/nix/store');
  assert.throws(() => formatDrv({ ...drv, system: 'a"b' as ByteString }, '/nix/store'), /Nix does not escape it here/);
});
