import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referencesFirst } from '../../src/model/references-first.ts';

test('what is referred to comes first, loops are cut, nothing is lost', () => {
  assert.deepEqual(referencesFirst([[2, 1], [], [3], [0], []]), [3, 2, 1, 0, 4]);
  assert.deepEqual(referencesFirst([[0]]), [0]);
});

test('chains of a hundred thousand do not overflow the stack', () => {
  const n = 100_000;
  assert.equal(referencesFirst(Array.from({ length: n }, (_, i) => (i + 1 < n ? [i + 1] : [])))[0], n - 1);
});
