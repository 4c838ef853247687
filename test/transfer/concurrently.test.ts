import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { concurrently } from '../../src/transfer/concurrently.ts';

test('no more than the limit run, and every result comes', async () => {
  let running = 0;
  let most = 0;
  const results: number[] = [];
  const work = async (n: number): Promise<number> => {
    most = Math.max(most, ++running);
    await sleep(n % 3);
    running--;
    return n;
  };
  for await (const result of concurrently([5, 4, 3, 2, 1, 0], 2, work)) results.push(result);
  assert.equal(most, 2);
  assert.deepEqual(results.sort(), [0, 1, 2, 3, 4, 5]);
});

test('the first failure ends it, after what runs has ended', async () => {
  let ended = 0;
  const work = async (n: number): Promise<number> => {
    await sleep(n);
    ended++;
    if (n === 1) throw new Error('one');
    return n;
  };
  const all = concurrently([1, 5, 9, 9, 9], 2, work);
  await assert.rejects(async () => {
    for await (const _ of all);
  }, /one/);
  assert.equal(ended, 2);
});
