import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Learned } from '../../../src/delta/codec/learned.ts';

test('as a map of numbers, however alike they are', () => {
  const learned = new Learned();
  const map = new Map<number, number>();
  for (let i = 0; i < 30_000; i++) {
    const key = i % 3 === 0 ? i * 4 : i % 3 === 1 ? (i % 60_000) * 2 ** 32 : 2 ** 50 + i;
    assert.equal(learned.get(key), map.get(key) ?? NaN);
    learned.set(key, i);
    map.set(key, i);
  }
  for (const [key, value] of map) assert.equal(learned.get(key), value);
});

test('no number is taken for an empty place', () => {
  for (let i = 0; i < 50; i++) {
    const learned = new Learned();
    for (let key = 0; key < 500; key++) learned.set(2 ** 50 + key * i, key);
    for (const key of [-1, 0, -(2 ** 40)]) assert.equal(learned.get(key), NaN);
    learned.set(-1, 5);
    assert.equal(learned.get(-1), 5);
  }
});
