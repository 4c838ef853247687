import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseRealisationId, realisationId } from '../../src/model/realisation.ts';
import * as arbitrary from '../property/arbitraries.ts';

test('ids, both kinds', () => {
  fc.assert(
    fc.property(arbitrary.realisation, (r) =>
      assert.equal(realisationId(parseRealisationId(realisationId(r))), realisationId(r)),
    ),
  );
});

test('the hash of an id is made base 16', () => {
  const key = parseRealisationId('sha256:0ix4jahrkll5zg01wandq78jw3ab30q4nscph67rniqg5x7r0j59!out');
  assert.equal(realisationId(key), 'sha256:a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447!out');
});

test('what is no id', () => {
  const hash = `sha256:${'a'.repeat(64)}`;
  for (const bad of [
    '',
    'x',
    '!',
    '^',
    `${hash}!`,
    `${hash}!a/b`,
    `${hash}!..`,
    `sha1:${'a'.repeat(40)}!out`,
    'x.drv^out',
  ]) {
    assert.throws(() => parseRealisationId(bad), /bad (realisation id|hash|store path)/, bad);
  }
  assert.throws(
    () => parseRealisationId('y9v4w1kf41c10q7fdxlbz10s0adiximd-dep-1.0^out'),
    /expected a derivation before \^/,
  );
});
