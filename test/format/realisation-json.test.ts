// Realisations: the cache file of Nix 2.8 both ways, the newer form, signed texts.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import {
  formatRealisation,
  formatRealisationFile,
  parseRealisation,
  parseRealisationFileName,
  realisationFileName,
  realisationFingerprint,
  signRealisation,
  validRealisationSignatures,
} from '../../src/format/realisation-json.ts';
import { parseRealisationId } from '../../src/model/realisation.ts';
import { TrustedKeys, generateKey } from '../../src/model/signature.ts';
import * as arbitrary from '../property/arbitraries.ts';

const cache = join(import.meta.dirname, '../golden/cache-ca');
const name = `realisations/${readdirSync(join(cache, 'realisations'))[0]}`;
const text = readFileSync(join(cache, name), 'utf8');
const outPath = '3qkwwivms816mwh64alqq46yy1wf9gf5-caf2';
const drv = 'acv89lp0dai7g7xsx8ajkshyfp8axk1m-caf2.drv';

test("Nix 2.8's file, both ways", () => {
  const realisation = parseRealisation(readFileSync(join(cache, name)), parseRealisationFileName(name));
  assert.equal(realisation.outPath, outPath);
  assert.equal(formatRealisationFile(realisation), text);
  assert.equal(realisationFileName(realisation), name);
  assert.equal(realisationFingerprint(realisation), text.replace(',"signatures":[]', ''));
});

test("newer Nix's file says what it is about by its name only", () => {
  const file = `build-trace-v2/${drv}/out.doi`;
  const contents = `{"outPath":"${outPath}","signatures":[{"keyName":"k","sig":"AAAA"}]}`;
  const realisation = parseRealisation(contents, parseRealisationFileName(file));
  assert.deepEqual(realisation, { kind: 'traced', drvPath: drv, output: 'out', outPath, signatures: ['k:AAAA'] });
  assert.equal(formatRealisationFile(realisation), contents);
  assert.equal(realisationFileName(realisation), file);
  const key = `"key":{"drvPath":"${drv}","outputName":"out"}`;
  assert.equal(formatRealisation(realisation), `{${key},"value":${contents}}`);
  assert.equal(realisationFingerprint(realisation), `{${key},"value":{"outPath":"${outPath}"}}`);
});

test('round trips: contents, file names, signatures', () => {
  const key = generateKey('test-1');
  const trusted = new TrustedKeys([key.publicKey]);
  fc.assert(
    fc.property(arbitrary.realisation, (realisation) => {
      assert.deepEqual(parseRealisation(formatRealisation(realisation)), realisation);
      const about = parseRealisationFileName(realisationFileName(realisation));
      assert.deepEqual(parseRealisation(formatRealisationFile(realisation), about), realisation);
      const signed = signRealisation(realisation, [key]);
      assert.equal(validRealisationSignatures(signed, trusted).length, 1);
      const other = { ...signed, outPath: arbitraryOther };
      assert.deepEqual(validRealisationSignatures(other, trusted), []);
    }),
    { numRuns: 50 },
  );
});

const arbitraryOther = parseRealisation(text).outPath;

suite('refused', () => {
  const id = parseRealisationId(name.slice('realisations/'.length, -'.doi'.length));
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['no JSON', '{"id":', /bad realisation at offset 6: expected JSON/],
    ['a list', '[]', /expected an object, got a list/],
    ['nothing about an output', '{"outPath":"x"}', /expected a field 'id' or 'key'/],
    ['no path', text.replace('outPath', 'outpath'), /expected a field 'outPath', got only 'dependentRealisations'/],
    ['a full path', text.replace('"3qkww', '"/nix/store/3qkww'), /at \.outPath: expected a store path/],
    ['a bad id', text.replace('sha256:b3', 'sha256:'), /at \.id: expected 'sha256:…!output', got bad hash/],
    ['a bad signature', text.replace('[]', '["x"]'), /at \.signatures\[0\]: expected a signature/],
    ['signatures that are none', text.replace('[]', '{}'), /at \.signatures: expected a list, got an object/],
    ['an output that climbs', text.replace('!out', '!../out'), /the name has the character "\/"/],
  ];
  for (const [what, input, message] of cases) test(what, () => assert.throws(() => parseRealisation(input), message));

  test('another output than asked for', () => {
    const other = text.replace('!out', '!dev');
    assert.throws(
      () => parseRealisation(other, id, { source: 'x.doi' }),
      /another output in x\.doi: expected .*!out, got .*!dev/,
    );
  });
  for (const bad of [
    'realisations/x',
    'realisations/x.doi',
    'build-trace-v2/out.doi',
    'build-trace-v2/x.drv/out.doi',
    `realisations/${drv}^out.doi`,
    `build-trace-v2/${drv}/...doi`,
  ]) {
    test(`file name ${bad}`, () => assert.throws(() => parseRealisationFileName(bad), /bad/));
  }
  test('too long', () => assert.throws(() => parseRealisation(Buffer.alloc(2 ** 20 + 1)), /at most 1048576 bytes/));
});
