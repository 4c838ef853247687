import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOutputSpec, parseInstallable } from '../../src/model/output-spec.ts';

test('words of the command line', () => {
  const table: readonly (readonly [string, string, string | undefined])[] = [
    ['/nix/store/x.drv', '/nix/store/x.drv', undefined],
    ['/nix/store/x.drv^out', '/nix/store/x.drv', 'out'],
    ['/nix/store/x.drv^out,dev,out', '/nix/store/x.drv', 'dev,out'],
    ['/nix/store/x.drv^*', '/nix/store/x.drv', '*'],
    ['/nix/store/x.drv!out', '/nix/store/x.drv', 'out'],
    ['/nix/store/x.drv!*', '/nix/store/x.drv', '*'],
    ['./result^dev', './result', 'dev'],
    ['./what!', './what!', undefined],
    ['./a.drv!x/b', './a.drv!x/b', undefined],
    ['a^b^out', 'a^b', 'out'],
  ];
  for (const [word, base, outputs] of table) {
    const got = parseInstallable(word);
    assert.equal(got.base, base);
    assert.equal(got.outputs && formatOutputSpec(got.outputs), outputs, word);
  }
});

test('what is no list of outputs', () => {
  for (const bad of ['x.drv^', 'x.drv^a,', 'x.drv^a/b', 'x.drv!', 'x.drv^*,out', 'x.drv^..']) {
    assert.throws(() => parseInstallable(bad), { code: 'usage', message: /^bad outputs/ }, bad);
  }
  assert.throws(() => parseInstallable('^out'), /expected a path before '\^'/);
});
