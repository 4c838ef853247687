import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareVersions, splitVersion } from '../../src/model/version.ts';

// Asked of `builtins.parseDrvName` and `builtins.compareVersions` of Nix 2.8 (test/e2e/closures.test.ts asks again)
export const names: readonly (readonly [string, string, string])[] = [
  ['openssl-3.0.13-dev', 'openssl', '3.0.13-dev'],
  ['perl-env', 'perl-env', ''],
  ['unit-service-1.service', 'unit-service', '1.service'],
  ['linux-6.1.0-50-cloud', 'linux', '6.1.0-50-cloud'],
  ['x-', 'x-', ''],
  ['libfoo-r12', 'libfoo-r12', ''],
  ['a-.1', 'a', '.1'],
];

export const orders: readonly (readonly [string, string, number])[] = [
  ['1.0', '2.3', -1],
  ['2.1', '2.3', -1],
  ['2.3', '2.3', 0],
  ['2.5', '2.3', 1],
  ['3.1', '2.3', 1],
  ['2.3.1', '2.3', 1],
  ['2.3.1', '2.3a', 1],
  ['2.3pre1', '2.3', -1],
  ['2.3pre3', '2.3pre12', -1],
  ['2.3a', '2.3c', -1],
  ['2.3pre1', '2.3c', -1],
  ['2.3pre1', '2.3q', -1],
  ['3.0.9', '3.0.13', -1],
  ['1', '', 1],
  ['123456789012345678901', '123456789012345678902', -1],
];

test('names are split as Nix does', () => {
  for (const [text, name, version] of names) assert.deepEqual(splitVersion(text), { name, version }, text);
});

test('versions are ordered as Nix does, both ways', () => {
  for (const [a, b, order] of orders) {
    assert.equal(compareVersions(a, b), order, `${a} ${b}`);
    assert.equal(compareVersions(b, a), 0 - order, `${b} ${a}`);
  }
});
