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
