// Derivations as JSON: what Nix 2.8, 2.26 and 2.34 print of the golden derivations, both ways.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '../../src/bytes/byte-string.ts';
import { byteStringOf } from '../../src/bytes/byte-string.ts';
import type { DrvJsonShape } from '../../src/format/drv-json.ts';
import { drvToJson, formatDrvsJson, parseDrvsJson } from '../../src/format/drv-json.ts';
import { formatDrv, parseDrv } from '../../src/format/drv.ts';
import { sortedJson } from '../../src/format/json-cursor.ts';
import type { Derivation } from '../../src/model/derivation.ts';
import { parseBaseName } from '../../src/model/store-path.ts';
import { goldenDrv, goldenDrvs, goldenPath, goldenText } from '../golden/drv-index.ts';
import * as arbitrary from '../property/arbitraries.ts';

const shapes: readonly (readonly [file: string, shape: DrvJsonShape])[] = [
  ['2.8', '2.8'],
  ['2.26', '2.26'],
  ['2.34', '4'],
];
const all = goldenDrvs.map((golden) => [goldenPath(golden), goldenDrv(goldenPath(golden))] as const);

for (const [nix, shape] of shapes) {
  suite(`as Nix ${nix}`, () => {
    const theirs = readFileSync(join(import.meta.dirname, `../golden/drv-json/${nix}.json`), 'utf8');
    test('written', () => {
      assert.deepEqual(JSON.parse(formatDrvsJson(all, '/nix/store', shape)), JSON.parse(theirs));
      assert.equal(formatDrvsJson(all, '/nix/store', shape), sortedJson(JSON.parse(theirs)));
    });
    test('read: the derivations print as they were', () => {
      const drvs = parseDrvsJson(Buffer.from(theirs), '/nix/store');
      assert.equal(drvs.size, all.length);
      for (const [path, drv] of drvs) assert.deepEqual(formatDrv(drv, '/nix/store'), goldenText(path));
    });
  });
}

test('round trips in every shape', () => {
  const textual = arbitrary.derivation.map((drv): Derivation => {
    const plain = (s: ByteString): ByteString => byteStringOf(s); // its characters as UTF-8: always text
    const env = [...drv.env].map(([k, v]) => [plain(k), plain(v)] as const).sort(([a], [b]) => (a < b ? -1 : 1));
    return { ...drv, builder: plain(drv.builder), args: drv.args.map(plain), env: new Map(env) };
  });
  fc.assert(
    fc.property(
      textual,
      arbitrary.storePath,
      fc.constantFrom<DrvJsonShape[]>('2.8', '2.26', '4'),
      (drv, any, shape) => {
        fc.pre(!drv.env.has('__json' as ByteString));
        fc.pre(shape !== '2.8' || [...drv.inputDrvs.values()].every((node) => node.dynamic.size === 0));
        const path = parseBaseName(`${any.slice(0, 33)}${drv.name}.drv`);
        const back = parseDrvsJson(formatDrvsJson([[path, drv]], '/nix/store', shape), '/nix/store');
        assert.deepEqual(back, new Map([[path, drv]]));
      },
    ),
    { numRuns: 200 },
  );
});

const leaf = 'sinxa9h1zjjj6c3fvnqzwjr2mvnv97ig-dep-1.0.drv';

test('the shapes between: 2.18 with nodes and old algorithms, 2.31 with structured attributes, 2.32 with base names', () => {
  const src = '4xrr54y6y4rbh6m3fj6xnxxz7xz0pky0-src.drv';
  const fixed = goldenDrv(parseBaseName(src));
  const old = { ...drvToJson(fixed, '/nix/store', '2.8'), name: 'src' };
  const read = (json: unknown): Derivation | undefined =>
    [...parseDrvsJson(JSON.stringify(json), '/nix/store').values()][0];
  assert.deepEqual(read({ [`/nix/store/${src}`]: old }), fixed);
  const node = { [`/nix/store/${leaf}`]: { outputs: ['out'], dynamicOutputs: {} } };
  assert.equal(read({ [`/nix/store/${src}`]: { ...old, inputDrvs: node } })?.inputDrvs.size, 1);
  const sa = goldenDrv(parseBaseName('bwyfdilb2j8rlnyj5ngasvsdyrsqqv37-sa.drv'));
  const { env, structuredAttrs } = drvToJson(sa, '/nix/store', '4');
  const lifted = { ...drvToJson(sa, '/nix/store', '2.26'), env, structuredAttrs };
  assert.deepEqual(read({ '/nix/store/bwyfdilb2j8rlnyj5ngasvsdyrsqqv37-sa.drv': lifted }), sa);
  const { outputs, name, args, builder, system } = drvToJson(fixed, '/nix/store', '4');
  const bare = { ...old, outputs, name, args, builder, system, inputSrcs: [leaf], version: 3 };
  assert.deepEqual(read({ [src]: bare })?.inputSrcs, [leaf]);
});

test('numbers of structured attributes keep their digits', () => {
  const attrs = '{"a":1.0,"b":12345678901234567890,"c":1e400,"d":[-0.5,10,2],"e":{"10":1,"9":2}}';
  const text = `Derive([("out","","","")],[],[],"","",[],[("__json","${attrs.replaceAll('"', '\\"')}")])`;
  const drv = parseDrv(Buffer.from(text), 'x', '/nix/store');
  const path = parseBaseName(`${'0'.repeat(32)}-x.drv`);
  const json = formatDrvsJson([[path, drv]], '/nix/store');
  assert.ok(json.includes(`"structuredAttrs":${attrs}`), json);
  assert.deepEqual(formatDrv(parseDrvsJson(json, '/nix/store').get(path)!, '/nix/store').toString(), text);
});

test('bytes that are no text cannot be JSON', () => {
  const drv = { ...goldenDrv(parseBaseName(leaf)), env: new Map([['x' as ByteString, '\xff' as ByteString]]) };
  assert.throws(() => drvToJson(drv, '/nix/store'), { code: 'unsupported', message: /^x is not UTF-8/ });
  const node = { outputs: [], dynamic: new Map([['out', { outputs: ['out'], dynamic: new Map() }]]) };
  const dynamic = { ...drv, env: new Map(), inputDrvs: new Map([[parseBaseName(leaf), node]]) };
  assert.throws(() => drvToJson(dynamic, '/nix/store', '2.8'), { code: 'unsupported' });
});

suite('refused, saying where', () => {
  const good = formatDrvsJson([[parseBaseName(leaf), goldenDrv(parseBaseName(leaf))]], '/nix/store');
  const cases: readonly (readonly [what: string, from: string, to: string, message: RegExp])[] = [
    ['cut off', good.slice(-5), '', /bad JSON of derivations at offset \d+: expected JSON/],
    ['an unknown version', '"version":4', '"version":5', /\.version: expected version 3 or 4, got 5/],
    [
      'a name that is not its path’s',
      '"name":"dep-1.0","outputs"',
      '"name":"dep","outputs"',
      /expected the name 'dep-1\.0', got 'dep'/,
    ],
    ['no system', '"system":"x86_64-linux","version"', '"sys":"","version"', /expected a field 'system', got only/],
    ['a number for a string', '"builder":"/bin/sh"', '"builder":1', /\.builder: expected a string, got 1/],
    ['an argument that is none', '"args":[', '"args":[null,', /\.args\[0\]: expected a string, got null/],
    ['a list of outputs', '"outputs":{', '"outputs":[],"x":{', /\.outputs: expected an object, got a list/],
    ['no outputs', '"out":{"path":"y9v4w1kf41c10q7fdxlbz10s0adiximd-dep-1.0"}', '', /expected outputs of one kind/],
    ['a bad path', '"path":"y9', '"path":"u9', /\.outputs\["out"\]: expected an output, got bad store path/],
    [
      'a hash without method',
      '"path":"y9v4w1kf41c10q7fdxlbz10s0adiximd-dep-1.0"',
      '"hash":"sha256-x"',
      /a field 'method' or 'hashAlgo'/,
    ],
    [
      'an unknown method',
      '"path":"y9v4w1kf41c10q7fdxlbz10s0adiximd-dep-1.0"',
      '"method":"x","hashAlgo":"md5"',
      /\.method: expected flat, nar/,
    ],
    ['an input that is no derivation', '"drvs":{}', '"drvs":{"x":[]}', /\["x"\]: expected a path in \/nix\/store/],
    ['another store', `"${leaf}"`, `"/gnu/store/${leaf}"`, /expected the path of a derivation, got bad store path/],
    ['a path that is no derivation', `"${leaf}"`, `"${leaf.slice(0, -4)}"`, /expected the path of a derivation/],
  ];
  for (const [what, from, to, message] of cases) {
    test(what, () => {
      assert.ok(good.includes(from));
      const text = what === 'cut off' ? good.slice(0, -5) : good.replace(from, () => to);
      assert.throws(() => parseDrvsJson(text, '/nix/store'), message);
    });
  }
  test('without end', () => {
    const deep = good.replace(
      '"env":{',
      () => `"structuredAttrs":{"a":${'['.repeat(5000)}${']'.repeat(5000)}},"env":{`,
    );
    assert.throws(() => parseDrvsJson(deep, '/nix/store'), { code: 'format', message: /levels|stack/ });
  });
  test('bytes that are no UTF-8', () => {
    assert.throws(() => parseDrvsJson(Buffer.from([0x22, 0xff, 0x22]), '/nix/store'), { code: 'format' });
  });
});
